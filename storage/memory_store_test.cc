// What the memory store adds to a Store: its crash model and its injected failures. The rest is in store_test.cc.

#include "storage/memory_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "api/errors.h"

namespace fairlead::storage {
namespace {

absl::Status Put(Store& store, std::string_view key, Sync sync) {
  auto batch = store.NewBatch();
  batch->Put(Cf::kRecords, key, "x");
  return store.Write(batch.get(), sync);
}

std::string Keys(const View& view) {
  std::string keys;
  auto it = view.Iterate(Cf::kRecords, "", "");
  for (it->SeekToFirst(); it->Valid(); it->Next()) keys += it->key();
  return keys;
}

TEST(MemoryStoreTest, ACrashKeepsWhatWasSyncedAndAPrefixOfTheRest) {
  MemoryStore store;
  ASSERT_TRUE(Put(store, "a", Sync::kNo).ok());
  ASSERT_TRUE(Put(store, "b", Sync::kYes).ok());  // a sync carries all that came before it
  ASSERT_TRUE(Put(store, "c", Sync::kNo).ok());
  ASSERT_TRUE(Put(store, "d", Sync::kNo).ok());
  EXPECT_EQ(store.unsynced(), 2u);
  EXPECT_EQ(store.syncs(), 1);
  EXPECT_EQ(Keys(store), "abcd");
  EXPECT_EQ(Keys(*store.Crash(0)), "ab");
  EXPECT_EQ(Keys(*store.Crash(1)), "abc");
  EXPECT_EQ(Keys(*store.Crash(2)), "abcd");
  EXPECT_EQ(Keys(*store.Crash(9)), "abcd");
}

TEST(MemoryStoreTest, WhatACrashKeptIsSyncedAfterIt) {
  MemoryStore store;
  ASSERT_TRUE(Put(store, "a", Sync::kNo).ok());
  auto restarted = store.Crash(1);
  EXPECT_EQ(restarted->unsynced(), 0u);
  ASSERT_TRUE(Put(*restarted, "b", Sync::kNo).ok());
  EXPECT_EQ(Keys(*restarted->Crash(0)), "a");
}

TEST(MemoryStoreTest, AFullDiskWritesNothingAndPasses) {
  MemoryStore store;
  store.set_write_fault([](Sync sync) { return sync == Sync::kYes ? Error(Reason::kStorageFull, "full") : absl::OkStatus(); });
  EXPECT_EQ(ReasonOf(Put(store, "a", Sync::kYes)), "STORAGE_FULL");
  EXPECT_EQ(Keys(store), "");
  ASSERT_TRUE(Put(store, "b", Sync::kNo).ok());
  store.set_write_fault(nullptr);
  ASSERT_TRUE(Put(store, "c", Sync::kYes).ok());
  EXPECT_EQ(Keys(*store.Crash(0)), "bc");
}

TEST(MemoryStoreTest, AfterAFailureItTakesNoMoreWritesUntilReopened) {
  MemoryStore store;
  ASSERT_TRUE(Put(store, "a", Sync::kYes).ok());
  store.set_write_fault([](Sync) { return Error(Reason::kStorageFailed, "failed"); });
  EXPECT_EQ(ReasonOf(Put(store, "b", Sync::kYes)), "STORAGE_FAILED");
  store.set_write_fault(nullptr);
  EXPECT_EQ(ReasonOf(Put(store, "c", Sync::kYes)), "STORAGE_FAILED");
  EXPECT_EQ(Keys(store), "a");
  auto reopened = store.Crash(0);
  ASSERT_TRUE(Put(*reopened, "d", Sync::kYes).ok());
  EXPECT_EQ(Keys(*reopened), "ad");
}

}  // namespace
}  // namespace fairlead::storage
