// Receipts: what a nation submits and is sent is in its own log, word for word, and it can prove it.

#include "server/rpc/exchange_receipts.h"

#include <absl/synchronization/notification.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "api/crypto.h"
#include "api/entry.h"
#include "api/evidence.h"
#include "server/rpc/exchange_fixture.h"
#include "server/rpc/exchange_watch.h"
#include "server/rpc/receipt_book.h"

namespace fairlead::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

evidence::Receipt FileOf(const v1::Receipt& receipt) {
  evidence::Receipt file;
  file.index = static_cast<uint64_t>(receipt.sequence());
  file.header = receipt.log_entry().header();
  file.payload = receipt.log_entry().payload();
  for (const std::string& hash : receipt.audit_path()) std::copy(hash.begin(), hash.end(), file.audit_path.emplace_back().begin());
  file.checkpoint = receipt.checkpoint().note();
  return file;
}

class ReceiptsTest : public ::testing::Test, protected Office {
 protected:
  ReceiptsTest() : Office(absl::Milliseconds(50)) {
    Country("JP");
    Country("AU");
    Port("JPYOK", "Yokohama");
  }

  static v1::ListExchangeReceiptsResponse Receipts(const Client& partner, const std::string& record = "") {
    v1::ListExchangeReceiptsRequest request;
    request.set_record(record);
    return Must<v1::ListExchangeReceiptsResponse>(partner, "ExchangeService/ListExchangeReceipts", request);
  }
  std::vector<v1::ExchangeReceipt> Submitted(const std::string& record) const {
    std::vector<v1::ExchangeReceipt> out;
    const v1::ListExchangeReceiptsResponse all = Receipts(jp_, record);
    for (const v1::ExchangeReceipt& each : all.receipts()) {
      if (each.kind() == v1::EXCHANGE_RECEIPT_KIND_SUBMISSION) out.push_back(each);
    }
    return out;
  }
  static std::string Sha256Of(const google::protobuf::Message& message) {
    const Digest digest = Sha256(message.SerializeAsString());
    return std::string(AsView(digest));
  }
  // Once a checkpoint covers it.
  static v1::Receipt Fetch(const Client& partner, const std::string& name) {
    v1::GetExchangeReceiptRequest request;
    request.set_name(name);
    const absl::Time deadline = absl::Now() + kPatience;
    while (true) {
      auto receipt = partner.Call<v1::Receipt>("ExchangeService/GetExchangeReceipt", request);
      if (receipt.ok()) return *receipt;
      if (ReasonOf(receipt.status()) != "NOT_YET_PROVEN" || absl::Now() > deadline) {
        ADD_FAILURE() << receipt.status();
        return {};
      }
    }
  }
  // What the receipt proves, when it does.
  v1::PartnerReceipt Proven(const v1::Receipt& receipt, const std::string& name) {
    const auto proven = evidence::VerifyReceipt(evidence::FormatReceipt(FileOf(receipt)), TestCerts::Get().roster());
    EXPECT_TRUE(proven.ok()) << proven.status();
    if (!proven.ok()) return {};
    EXPECT_TRUE(proven->header.audience.all);         // whatever the record's
    EXPECT_EQ(proven->header.deps, VersionVector());  // what others did is nobody's to read from a nation's log
    const auto payload = DecodePayload(*proven->payload);
    EXPECT_TRUE(payload.ok()) << payload.status();
    std::string bytes;
    for (const Mutation& mutation : payload->mutations) {
      if (mutation.record != name) continue;
      for (const Op& op : mutation.ops) bytes += op.kind == MergeKind::kRegister ? op.value : "";
    }
    v1::PartnerReceipt content;
    EXPECT_TRUE(content.ParseFromString(bytes));
    return content;
  }
  static std::string Inside(const std::string& name) { return "partnerReceipts/" + name.substr(name.find('/') + 1); }

  v1::AskQuestionRequest Question(const std::string& subject) {
    v1::AskQuestionRequest ask;
    ask.mutable_question()->set_subject(subject);
    ask.mutable_question()->set_text("How often?");
    ask.set_request_id(NextId());
    return ask;
  }
  uint64_t Entries(const std::string& nation) {
    return site_.node().Applied().Get(site_.node().own_logs().at(PartnerStream(nation))).value();
  }
};

TEST_F(ReceiptsTest, ASubmissionIsProvenWordForWord) {
  const v1::AskQuestionRequest ask = Question("Drills");
  const auto question = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", ask);
  const v1::ListExchangeReceiptsResponse listed = Receipts(jp_, question.name());
  ASSERT_THAT(listed.receipts(), SizeIs(1));
  const v1::ExchangeReceipt& listing = listed.receipts(0);
  EXPECT_EQ(listing.kind(), v1::EXCHANGE_RECEIPT_KIND_SUBMISSION);
  EXPECT_EQ(listing.method(), "fairlead.v1.ExchangeService/AskQuestion");
  EXPECT_EQ(listing.marking(), "OFFICIAL");
  EXPECT_EQ(listing.log(), "apac/1/partner-JP");
  EXPECT_EQ(listing.sequence(), 0);
  EXPECT_EQ(listing.time().seconds(), absl::ToUnixSeconds(clock_.Now()));

  v1::Receipt receipt = Fetch(jp_, listing.name());
  EXPECT_EQ(receipt.entry(), "apac/1/partner-JP/0");
  const v1::PartnerReceipt content = Proven(receipt, Inside(listing.name()));
  EXPECT_EQ(content.nation(), "countries/JP");
  EXPECT_EQ(content.record(), question.name());
  EXPECT_EQ(content.message_type(), "fairlead.v1.AskQuestionRequest");
  EXPECT_EQ(content.content(), ask.SerializeAsString());

  std::string& payload = *receipt.mutable_log_entry()->mutable_payload();
  payload[payload.size() / 2] = static_cast<char>(payload[payload.size() / 2] ^ 1);
  EXPECT_EQ(evidence::VerifyReceipt(evidence::FormatReceipt(FileOf(receipt)), TestCerts::Get().roster()).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(ReceiptsTest, ARetryHasNoSecondReceiptAndWhatChangesNothingHasOne) {
  const v1::AskQuestionRequest ask = Question("Drills");
  const auto question = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", ask);
  EXPECT_EQ(Must<v1::Question>(jp_, "ExchangeService/AskQuestion", ask).name(), question.name());
  EXPECT_THAT(Receipts(jp_).receipts(), SizeIs(1));

  Recall(Release(Draft("ports/JPYOK", {"JP"})));
  v1::AcknowledgeWithdrawalRequest acknowledge;
  acknowledge.set_name(Withdrawals(jp_).withdrawals(0).name());
  for (int i = 0; i < 2; ++i) {
    acknowledge.set_request_id(NextId());
    EXPECT_TRUE(Must<v1::Withdrawal>(jp_, "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());
  }
  const std::vector<v1::ExchangeReceipt> both = Submitted(acknowledge.name());
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_NE(both[0].name(), both[1].name());
  for (const v1::ExchangeReceipt& each : both) {
    EXPECT_EQ(Proven(Fetch(jp_, each.name()), Inside(each.name())).message_type(), "fairlead.v1.AcknowledgeWithdrawalRequest");
  }
  // A retry of the one that changed nothing is no third.
  EXPECT_TRUE(Must<v1::Withdrawal>(jp_, "ExchangeService/AcknowledgeWithdrawal", acknowledge).acknowledged());
  EXPECT_THAT(Submitted(acknowledge.name()), SizeIs(2));
}

TEST_F(ReceiptsTest, ARevisionIsProvenOnceHoweverOftenItIsSent) {
  const v1::Release first = Release(Draft("ports/JPYOK", {"JP"}));
  const std::string name = NameFor("JP", "ports/JPYOK");
  const auto record = Get(jp_, name);
  ASSERT_TRUE(record.ok()) << record.status();
  const uint64_t entries = Entries("JP");
  EXPECT_EQ(entries, 1u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Ports(jp_), ElementsAre("JPYOK Yokohama"));
    EXPECT_TRUE(Get(jp_, name).ok());
  }
  Feed feed(jp_);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("reset", "JPYOK Yokohama", "end"));
  EXPECT_EQ(Entries("JP"), entries);

  const v1::ListExchangeReceiptsResponse listed = Receipts(jp_, name);
  ASSERT_THAT(listed.receipts(), SizeIs(1));
  EXPECT_EQ(listed.receipts(0).kind(), v1::EXCHANGE_RECEIPT_KIND_DELIVERY);
  EXPECT_EQ(listed.receipts(0).revision(), record->etag());
  const v1::PartnerReceipt content = Proven(Fetch(jp_, listed.receipts(0).name()), Inside(listed.receipts(0).name()));
  EXPECT_EQ(content.message_type(), "fairlead.v1.ReleasedRecord");
  EXPECT_EQ(content.content_sha256(), Sha256Of(*record));
  EXPECT_EQ(content.method(), "fairlead.v1.ExchangeService/GetReleasedRecord");

  // Another revision has another one, before the watch sends it.
  clock_.Advance(absl::Seconds(1));
  Rename("JPYOK", "Yokohama-ko");
  EXPECT_THAT(feed.ToEnd(), ElementsAre("JPYOK ", "end"));
  clock_.Advance(absl::Seconds(1));
  v1::Release draft = Draft("ports/JPYOK", {"JP"});
  draft.add_replaces(first.name());
  Release(draft);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("JPYOK Yokohama-ko", "end"));
  const v1::ListExchangeReceiptsResponse all = Receipts(jp_, name);
  ASSERT_THAT(all.receipts(), SizeIs(3));
  EXPECT_EQ(all.receipts(0).revision(), record->etag());
  EXPECT_EQ(all.receipts(1).method(), "fairlead.v1.ExchangeService/WatchReleasedRecords");
  EXPECT_EQ(all.receipts(2).revision(), Get(jp_, name)->etag());
  EXPECT_EQ(Entries("AU"), 0u);
}

TEST_F(ReceiptsTest, AListingIsOneEntryAndPagesAreReceiptedAsTheyAreSent) {
  Port("JPTYO", "Tokyo");
  Port("JPOSA", "Osaka");
  for (const char* port : {"ports/JPYOK", "ports/JPTYO", "ports/JPOSA"}) Release(Draft(port, {"JP"}));
  v1::ListReleasedRecordsRequest request;
  request.set_page_size(1);
  const auto first = Must<v1::ListReleasedRecordsResponse>(jp_, "ExchangeService/ListReleasedRecords", request);
  ASSERT_THAT(Receipts(jp_).receipts(), SizeIs(1));
  EXPECT_EQ(Receipts(jp_).receipts(0).record(), first.records(0).name());
  EXPECT_THAT(List(jp_).records(), SizeIs(3));
  EXPECT_THAT(Receipts(jp_).receipts(), SizeIs(3));
  EXPECT_EQ(Entries("JP"), 2u);  // the page of one, and the two that were new

  v1::ListExchangeReceiptsRequest pages;
  pages.set_page_size(2);
  std::set<std::string> names;
  int calls = 0;
  do {
    const auto page = Must<v1::ListExchangeReceiptsResponse>(jp_, "ExchangeService/ListExchangeReceipts", pages);
    for (const auto& receipt : page.receipts()) names.insert(receipt.name());
    pages.set_page_token(page.next_page_token());
    ++calls;
  } while (!pages.page_token().empty());
  EXPECT_EQ(names.size(), 3u);
  EXPECT_EQ(calls, 2);
}

// A nation that is shown something no more, or a site that the record is not for, learns nothing of it from a receipt.
TEST_F(ReceiptsTest, AReceiptOfWhatWasSentHoldsNothingOfIt) {
  v1::CreatePortRequest request;
  request.set_port_id("JPTYO");
  request.mutable_port()->set_display_name("Tokyo");
  request.mutable_port()->set_country("countries/JP");
  request.mutable_port()->set_source("a private source");
  request.mutable_port()->add_audience("apac");
  request.mutable_port()->add_audience("hq");
  Make<v1::Port>("ReferenceService/CreatePort", request);
  const v1::Release local = Release(Draft("ports/JPTYO", {"JP"}));
  Release(Draft("ports/JPYOK", {"JP"}));
  EXPECT_THAT(List(jp_).records(), SizeIs(2));
  EXPECT_EQ(Entries("JP"), 1u);  // two would tell that they are for other sites

  const v1::ListExchangeReceiptsResponse listed = Receipts(jp_, NameFor("JP", "ports/JPTYO"));
  ASSERT_THAT(listed.receipts(), SizeIs(1));
  Recall(local);
  const v1::Receipt receipt = Fetch(jp_, listed.receipts(0).name());
  EXPECT_EQ(receipt.log_entry().payload().find("Tokyo"), std::string::npos);
  const v1::PartnerReceipt content = Proven(receipt, Inside(listed.receipts(0).name()));
  EXPECT_EQ(content.revision(), listed.receipts(0).revision());
  EXPECT_EQ(content.content(), "");
  EXPECT_EQ(content.content_sha256().size(), 32u);
  EXPECT_THAT(content.audience(), IsEmpty());
}

TEST_F(ReceiptsTest, WithdrawalsHaveReceipts) {
  const v1::Release release = Release(Draft("ports/JPYOK", {"JP"}));
  const std::string name = NameFor("JP", "ports/JPYOK");
  Feed feed(jp_);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("reset", "JPYOK Yokohama", "end"));
  const std::string etag = Get(jp_, name)->etag();
  Recall(release);
  EXPECT_THAT(feed.ToEnd(), ElementsAre("-" + name, "end"));
  const v1::ListExchangeReceiptsResponse watched = Receipts(jp_, name);
  ASSERT_THAT(watched.receipts(), SizeIs(2));
  std::set<std::string> proven;
  for (const v1::ExchangeReceipt& each : watched.receipts()) {
    EXPECT_EQ(each.revision(), etag);
    proven.insert(Proven(Fetch(jp_, each.name()), Inside(each.name())).message_type());
  }
  EXPECT_EQ(proven, (std::set<std::string>{"fairlead.v1.ReleasedRecord", "fairlead.v1.WatchReleasedRecordsResponse"}));

  const v1::Withdrawal withdrawal = Withdrawals(jp_).withdrawals(0);
  EXPECT_THAT(Withdrawals(jp_).withdrawals(), SizeIs(1));
  const v1::ListExchangeReceiptsResponse listed = Receipts(jp_, withdrawal.name());
  ASSERT_THAT(listed.receipts(), SizeIs(1));
  EXPECT_EQ(listed.receipts(0).revision(), google::protobuf::util::TimeUtil::ToString(withdrawal.recall_time()));
  EXPECT_EQ(listed.receipts(0).method(), "fairlead.v1.ExchangeService/ListWithdrawals");
  EXPECT_EQ(Proven(Fetch(jp_, listed.receipts(0).name()), Inside(listed.receipts(0).name())).content_sha256(), Sha256Of(withdrawal));
}

TEST_F(ReceiptsTest, WhatIsTakenBackBeforeItsTurnIsNeitherSentNorWithdrawn) {
  Port("JPTYO", "Tokyo");
  std::map<std::string, v1::Release> releases;
  for (const char* port : {"JPYOK", "JPTYO"}) releases[port] = Release(Draft(std::string("ports/") + port, {"JP"}));
  const exchange::Pseudonyms pseudonyms(TestCerts::Get().token_key());
  ExchangeWatches watches(&site_.node(), &site_.sealer(), &pseudonyms, absl::Milliseconds(50));
  Call call;
  call.identity.scope = "JP";
  call.identity.path = "partner/JP/registry";
  call.method = "fairlead.v1.ExchangeService/WatchReleasedRecords";
  const auto watch = watches.Open(call, v1::WatchReleasedRecordsRequest());
  ASSERT_TRUE(watch.ok()) << watch.status();
  const auto next = [&] {
    auto done = std::make_shared<absl::Notification>();
    auto sent = std::make_shared<v1::WatchReleasedRecordsResponse>();
    (*watch)->Next([done, sent](absl::StatusOr<MessagePtr> message) {
      EXPECT_TRUE(message.ok()) << message.status();
      if (message.ok()) sent->CopyFrom(**message);
      done->Notify();
    });
    EXPECT_TRUE(done->WaitForNotificationWithTimeout(kPatience));
    return *sent;
  };
  EXPECT_TRUE(next().reset());
  const std::string first = next().record().port().locode();
  ASSERT_TRUE(releases.contains(first));
  releases.erase(first);
  const auto& [other, release] = *releases.begin();
  Recall(release);
  v1::WatchReleasedRecordsResponse end = next();
  EXPECT_TRUE(end.complete()) << end.ShortDebugString();
  EXPECT_EQ(next().SerializeAsString(), "") << "it was never sent";
  v1::Release draft = Draft("ports/" + other, {"JP"});
  draft.add_replaces(release.name());
  Release(draft);
  v1::WatchReleasedRecordsResponse again = next();
  for (int i = 0; i < 100 && again.SerializeAsString().empty(); ++i) again = next();  // between heartbeats
  EXPECT_EQ(again.record().port().locode(), other);
  (*watch)->Cancel();
}

TEST_F(ReceiptsTest, AFilterHasNoControlCharacters) {
  v1::ListExchangeReceiptsRequest request;
  request.set_record(std::string("releasedRecords/a\0b", 19));
  EXPECT_THAT(jp_.Call<v1::ListExchangeReceiptsResponse>("ExchangeService/ListExchangeReceipts", request),
              FailsWith("FIELD_INVALID", "record"));
}

// Sites cosign the checkpoint of a round, and a busy log is past it at once.
TEST_F(ReceiptsTest, AReceiptHasTheNewestCheckpointThatAnotherSiteHasCosigned) {
  const auto first = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", Question("One"));
  TestSite hq("hq", &clock_);
  hq.Receive(site_);
  site_.HearCosignatures(hq);
  const auto second = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", Question("Two"));
  const auto proven = [&](const v1::Question& question) {
    const v1::Receipt receipt = Fetch(jp_, Receipts(jp_, question.name()).receipts(0).name());
    const auto checked = evidence::VerifyReceipt(evidence::FormatReceipt(FileOf(receipt)), TestCerts::Get().roster());
    EXPECT_TRUE(checked.ok()) << checked.status();
    std::pair<uint64_t, bool> size_and_by_hq;
    if (!checked.ok()) return size_and_by_hq;
    size_and_by_hq.first = checked->checkpoint.size;
    for (const auto& cosignature : checked->checkpoint.cosignatures) size_and_by_hq.second |= cosignature.site == "hq";
    return size_and_by_hq;
  };
  EXPECT_EQ(proven(second), (std::pair<uint64_t, bool>(2, false)));
  EXPECT_EQ(proven(first), (std::pair<uint64_t, bool>(1, true)));
}

TEST_F(ReceiptsTest, TheLogOnlyGrows) {
  const auto first = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", Question("One"));
  const v1::Receipt older = Fetch(jp_, Receipts(jp_, first.name()).receipts(0).name());
  const auto second = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", Question("Two"));
  const v1::Receipt newer = Fetch(jp_, Receipts(jp_, second.name()).receipts(0).name());
  ASSERT_LT(older.checkpoint().size(), newer.checkpoint().size());
  v1::GetExchangeConsistencyProofRequest request;
  request.set_log("apac/1/partner-JP");
  request.set_old_size(older.checkpoint().size());
  const auto proof = Must<v1::ConsistencyProof>(jp_, "ExchangeService/GetExchangeConsistencyProof", request);
  evidence::Consistency file{static_cast<uint64_t>(older.checkpoint().size()), {}, proof.checkpoint().note()};
  for (const std::string& hash : proof.hashes()) std::copy(hash.begin(), hash.end(), file.hashes.emplace_back().begin());
  const auto continued =
      evidence::VerifyConsistency(older.checkpoint().note(), evidence::FormatConsistency(file), TestCerts::Get().roster());
  ASSERT_TRUE(continued.ok()) << continued.status();
  EXPECT_EQ(continued->older.size, static_cast<uint64_t>(older.checkpoint().size()));
  EXPECT_EQ(continued->newer.log->origin(), std::string(kTestNetwork) + "/apac/1/partner-JP");
  request.set_old_size(1000);
  EXPECT_THAT(jp_.Call<v1::ConsistencyProof>("ExchangeService/GetExchangeConsistencyProof", request),
              FailsWith("FIELD_INVALID", "old_size"));
}

TEST_F(ReceiptsTest, ReceiptsAreTheNationsOwn) {
  const auto question = Must<v1::Question>(jp_, "ExchangeService/AskQuestion", Question("Drills"));
  const std::string name = Receipts(jp_).receipts(0).name();
  EXPECT_THAT(Receipts(au_).receipts(), IsEmpty());
  EXPECT_THAT(Receipts(au_, question.name()).receipts(), IsEmpty());
  v1::GetExchangeReceiptRequest get;
  get.set_name(name);
  const auto of_another = BytesOf<v1::Receipt>(au_, "ExchangeService/GetExchangeReceipt", get);
  get.set_name("exchangeReceipts/" + std::string(26, '0'));
  std::string absent = BytesOf<v1::Receipt>(au_, "ExchangeService/GetExchangeReceipt", get);
  for (size_t at = absent.find(get.name()); at != std::string::npos; at = absent.find(get.name())) absent.replace(at, name.size(), name);
  EXPECT_EQ(of_another, absent);
  v1::GetExchangeConsistencyProofRequest prove;
  for (const char* log : {"apac/1/partner-JP", "apac/1/main", "apac/1/audit", "apac", "apac/1/partner-XX", "eame/1/partner-AU"}) {
    prove.set_log(log);
    EXPECT_THAT(au_.Call<v1::ConsistencyProof>("ExchangeService/GetExchangeConsistencyProof", prove), FailsWith("RECORD_NOT_FOUND")) << log;
  }
}

TEST_F(ReceiptsTest, ANationWithoutALogIsServedWithoutReceipts) {
  Country("SG");
  const Client sg = site_.As("partner/SG/registry");
  Release(Draft("ports/JPYOK", {"SG"}));
  EXPECT_THAT(Ports(sg), ElementsAre("JPYOK Yokohama"));
  EXPECT_NE(Must<v1::Question>(sg, "ExchangeService/AskQuestion", Question("Drills")).name(), "");
  EXPECT_THAT(sg.Call<v1::ListExchangeReceiptsResponse>("ExchangeService/ListExchangeReceipts", v1::ListExchangeReceiptsRequest()),
              FailsWith("STREAM_MISSING"));
}

TEST_F(ReceiptsTest, WhatIsTooLargeToBeKeptIsNotTaken) {
  v1::AskQuestionRequest ask = Question("Drills");
  ask.mutable_question()->set_answer(std::string(kSubmissionBytesMax, 'x'));  // output only: looked at by nobody
  EXPECT_THAT(jp_.Call<v1::Question>("ExchangeService/AskQuestion", ask), FailsWith("MESSAGE_TOO_LARGE"));
  EXPECT_THAT(Receipts(jp_).receipts(), IsEmpty());
}

TEST_F(ReceiptsTest, TheLargestSubmissionThatCanBeValidMayBeKept) {
  const auto text = [](int characters) {
    std::string all;
    for (int i = 0; i < characters; ++i) all += "\xf0\xa0\xae\xb7";
    return all;
  };
  v1::RequestVisitRequest visit;
  visit.set_request_id(NextId());
  visit.set_embassy(text(200));
  visit.set_reference(text(200));
  visit.set_objectives(text(4000));
  for (int i = 0; i < 100; ++i) {
    v1::DelegationMember& member = *visit.add_delegation();
    member.set_member(text(200));
    member.set_organisation(text(200));
    member.set_role(text(200));
  }
  EXPECT_LE(visit.ByteSizeLong(), kSubmissionBytesMax);
  EXPECT_GT(visit.ByteSizeLong(), kSubmissionBytesMax - (4 << 10)) << "and no more is kept of anything";
}

// They would be kept, and nobody looks at them.
TEST_F(ReceiptsTest, FieldsThatTheSiteDoesNotKnowAreRefused) {
  const auto pad = [](google::protobuf::Message* message) {
    message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(999, "x");
  };
  v1::AskQuestionRequest ask = Question("Drills");
  pad(&ask);
  const auto refused = jp_.Call<v1::Question>("ExchangeService/AskQuestion", ask);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused, FailsWith("FIELD_INVALID", "999"));
  ask = Question("Drills");
  pad(ask.mutable_question());
  EXPECT_THAT(jp_.Call<v1::Question>("ExchangeService/AskQuestion", ask), FailsWith("FIELD_INVALID", "question.999"));
  v1::RequestVisitRequest visit;
  visit.set_embassy("Embassy of Japan, Washington");
  visit.add_delegation()->set_member("Director, Port Security");
  pad(visit.add_delegation());
  EXPECT_THAT(jp_.Call<v1::VisitRequest>("ExchangeService/RequestVisit", visit), FailsWith("FIELD_INVALID", "delegation.999"));
  v1::ListReleasedRecordsRequest list;  // of what is not kept, too: one rule for all
  pad(&list);
  EXPECT_THAT(jp_.Call<v1::ListReleasedRecordsResponse>("ExchangeService/ListReleasedRecords", list), FailsWith("FIELD_INVALID", "999"));
  EXPECT_THAT(Receipts(jp_).receipts(), IsEmpty());
  EXPECT_EQ(Entries("JP"), 0u);
}

TEST_F(ReceiptsTest, ANationHasSoManySubmissionsADay) {
  TestSite hq("hq", &clock_, absl::Milliseconds(50), nullptr, nullptr, {},
              {.submissions_per_day = 3, .now = [this] { return clock_.Now(); }});
  hq.Receive(site_);
  const Client registry = hq.As("partner/JP/registry"), ports = hq.As("partner/JP/ports");
  const auto entries = [&hq] { return hq.node().Applied().Get(hq.node().own_logs().at(PartnerStream("JP"))).value(); };
  const v1::AskQuestionRequest first = Question("Drills");
  const auto asked = Must<v1::Question>(registry, "ExchangeService/AskQuestion", first);
  EXPECT_EQ(Must<v1::Question>(registry, "ExchangeService/AskQuestion", first).name(), asked.name());  // is there, and costs nothing
  Must<v1::Question>(ports, "ExchangeService/AskQuestion", Question("Gates"));
  Must<v1::Question>(registry, "ExchangeService/AskQuestion", Question("Guards"));
  EXPECT_EQ(entries(), 3u);
  const v1::AskQuestionRequest fourth = Question("Ships");
  const auto refused = ports.Call<v1::Question>("ExchangeService/AskQuestion", fourth);
  EXPECT_THAT(refused, FailsWith("LIMIT_REACHED"));
  EXPECT_EQ(MetadataOf(refused.status(), "limit"), "limits.partner.submissions_per_day");
  EXPECT_NEAR(absl::ToDoubleHours(RetryDelayOf(refused.status())), 8, 0.01);
  EXPECT_EQ(entries(), 3u);
  EXPECT_EQ(Must<v1::Question>(registry, "ExchangeService/AskQuestion", first).name(), asked.name());
  Must<v1::Question>(hq.As("partner/AU/registry"), "ExchangeService/AskQuestion", Question("Drills"));  // the other nation's are its own
  clock_.Advance(absl::Hours(8) + absl::Seconds(1));
  Must<v1::Question>(ports, "ExchangeService/AskQuestion", fourth);
  EXPECT_EQ(entries(), 4u);
}

TEST_F(ReceiptsTest, ContactsThatAreShownHaveReceipts) {
  Country("US");
  Contact("US-ships", v1::CONTACT_DUTY_SHIPS, v1::MARKING_PUBLIC);
  const auto sheet = Must<v1::ContactSheet>(jp_, "ExchangeService/GetContactSheet", v1::GetContactSheetRequest());
  ASSERT_THAT(sheet.united_states(), SizeIs(1));
  const v1::ListExchangeReceiptsResponse listed = Receipts(jp_, NameFor("JP", "contacts/US-ships"));
  ASSERT_THAT(listed.receipts(), SizeIs(1));
  EXPECT_EQ(listed.receipts(0).marking(), "PUBLIC");
  const v1::PartnerReceipt content = Proven(Fetch(jp_, listed.receipts(0).name()), Inside(listed.receipts(0).name()));
  EXPECT_EQ(content.content_sha256(), Sha256Of(sheet.united_states(0)));
}

}  // namespace
}  // namespace fairlead::rpc
