// A node with a search index that is driven by hand, for the tests of this folder.
//
// Thread safety: one thread at a time. Ownership: owns node and index.

#ifndef FAIRLEAD_SERVER_SEARCH_SEARCH_TESTING_H_
#define FAIRLEAD_SERVER_SEARCH_SEARCH_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "api/erasure.h"
#include "fairlead/v1/engagement.pb.h"
#include "server/node/erasures.h"
#include "server/node/node_testing.h"
#include "server/search/finder.h"
#include "storage/scratch_directory.h"

namespace fairlead::search {

class IndexedNodeTest : public ::testing::Test {
 protected:
  void SetUp() override { Reopen(); }

  node::Node& node() { return *apac_.node; }
  SearchIndex& index() { return *index_; }
  std::string folder() const { return scratch_.path() + "/search"; }
  // As a node that starts again would.
  void Reopen() {
    index_.reset();
    index_ = std::make_unique<SearchIndex>(&node(), folder());
  }
  // Lets the index come to the journal's end.
  void CatchUp() {
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more) more = index_->Step();
    ASSERT_TRUE(more.ok()) << more.status();
    ASSERT_EQ(index_->figures().indexed, node().JournalEnd());
  }

  Dot Put(const std::string& name, const google::protobuf::Message& record, const std::vector<std::string>& fields) {
    network_.clock().Advance(absl::Milliseconds(10));
    const auto written = node::Write(node(), node::RequestFor(node(), name, record, fields, network_.clock().RequestId()));
    EXPECT_TRUE(written.ok()) << written.status();
    return written.ok() ? written->dot : Dot();
  }
  Dot PutEngagement(const std::string& name, const std::string& title, const std::string& notes = "") {
    v1::Engagement engagement;
    engagement.set_title(title);
    engagement.set_notes(notes);
    return Put(name, engagement, {"title", "notes"});
  }
  void Withdraw(const std::string& name, bool withdrawn = true) {
    v1::Engagement engagement;
    engagement.set_withdrawn(withdrawn);
    Put(name, engagement, {"withdrawn"});
  }
  void Erase(Dot entry) {
    network_.clock().Advance(absl::Milliseconds(10));
    const auto bytes = node().ReadPayload(entry);
    ASSERT_TRUE(bytes.ok() && bytes->has_value());
    node::WriteRequest request;
    request.actor = "hq/records/clerk";
    request.request_id = network_.clock().RequestId();
    request.method = "fairlead.v1.RecordService/EraseRevision";
    request.mutations = MutationsOf(node::ErasureOf(network_.roster(), *DecodePayload(**bytes), entry, "not to be kept", "ruling 7"));
    const auto erased = node::Write(node(), std::move(request));
    ASSERT_TRUE(erased.ok()) << erased.status();
  }

  // Every collection.
  Question Asking(const std::string& words) {
    Question question;
    question.words = words;
    for (const records::RecordType& type : node().registry().types()) question.collections.push_back(type.collection());
    return question;
  }
  Answer Ask(const Question& question, const std::optional<Place>& after = std::nullopt, size_t results_max = 50) {
    absl::StatusOr<Answer> answer = Find(node(), *index_, question, after, results_max, [] { return false; });
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *std::move(answer) : Answer();
  }
  std::vector<std::string> Names(const Question& question) {
    std::vector<std::string> names;
    for (const Result& result : Ask(question).results) names.push_back(result.name);
    return names;
  }
  std::vector<std::string> Names(const std::string& words) { return Names(Asking(words)); }

  // Whether any file of the index holds the bytes.
  bool InFiles(const std::string& bytes) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder())) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      if (std::string(std::istreambuf_iterator<char>(in), {}).find(bytes) != std::string::npos) return true;
    }
    return false;
  }

  node::TestNetwork network_{{"apac", "hq"}};
  node::TestNetwork::Site apac_ = network_.Open("apac");
  const storage::ScratchDirectory scratch_;
  std::unique_ptr<SearchIndex> index_;
};

}  // namespace fairlead::search

#endif  // FAIRLEAD_SERVER_SEARCH_SEARCH_TESTING_H_
