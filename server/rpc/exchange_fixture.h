// What the tests of the partners' door share: a site with staff and two nations, and a reader of the watch.
//
// Thread safety: a test's thread. Ownership: an Office owns its site.

#ifndef FAIRLEAD_SERVER_RPC_EXCHANGE_FIXTURE_H_
#define FAIRLEAD_SERVER_RPC_EXCHANGE_FIXTURE_H_

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fairlead/v1/exchange_service.grpc.pb.h"
#include "fairlead/v1/practice_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "fairlead/v1/release_service.pb.h"
#include "fairlead/v1/training_service.pb.h"
#include "server/exchange/pseudonyms.h"
#include "server/records/release.h"
#include "server/rpc/rpc_fixture.h"

namespace fairlead::rpc {

// A site with its officer, headquarters' staff and systems of Japan and Australia. Request ids are counted, so that two offices to which
// the same is done hold the same.
class Office {
 public:
  explicit Office(absl::Duration heartbeat = absl::Seconds(15))
      : site_("apac", &clock_, heartbeat),
        officer_(site_.As("officer/apac/watch")),
        hq_(site_.As("hq/release/desk")),
        jp_(site_.As("partner/JP/registry")),
        au_(site_.As("partner/AU/registry")) {}

  std::string NextId() {
    const auto ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
    return fmt::format("{:08x}-{:04x}-7000-8000-{:012x}", ms >> 16, ms & 0xffff, ++ids_);
  }

  void Country(const std::string& code) {
    v1::CreateCountryRequest request;
    request.set_country_id(code);
    request.set_request_id(NextId());
    request.mutable_country()->set_display_name("Country " + code);
    request.mutable_country()->set_region(v1::REGION_APAC);
    Must<v1::Country>(officer_, "ReferenceService/CreateCountry", request);
  }
  v1::Port Port(const std::string& locode, const std::string& display_name, v1::Marking marking = v1::MARKING_OFFICIAL) {
    v1::CreatePortRequest request;
    request.set_port_id(locode);
    request.set_request_id(NextId());
    request.mutable_port()->set_display_name(display_name);
    request.mutable_port()->set_country("countries/" + locode.substr(0, 2));
    request.mutable_port()->set_source("a private source");
    request.mutable_port()->set_marking(marking);
    return Must<v1::Port>(officer_, "ReferenceService/CreatePort", request);
  }
  // The record of `request` made by the officer.
  template <class Record, class Request>
  Record Make(const std::string& method, Request request) {
    request.set_request_id(NextId());
    return Must<Record>(officer_, method, request);
  }
  // A lifecycle method of `record`, by the caller.
  template <class Record, class Request>
  absl::StatusOr<Record> Move(const Client& caller, const std::string& method, const Record& record, Request request) {
    request.set_name(record.name());
    request.set_etag(record.etag());
    request.set_request_id(NextId());
    return caller.Call<Record>(method, request);
  }
  // A practice that headquarters has published.
  v1::BestPractice Practice(const std::string& title, v1::Marking marking) {
    v1::CreateBestPracticeRequest create;
    create.mutable_best_practice()->set_title(title);
    create.mutable_best_practice()->set_text("A second guard checks.");
    create.mutable_best_practice()->set_marking(marking);
    const auto draft = Make<v1::BestPractice>("PracticeService/CreateBestPractice", create);
    const auto published = Move(hq_, "PracticeService/PublishBestPractice", draft, v1::PublishBestPracticeRequest());
    EXPECT_TRUE(published.ok()) << published.status();
    return published.value_or(v1::BestPractice());
  }
  v1::TrainingOffering Offering(const std::string& id, v1::Marking marking, const std::vector<std::string>& open_to = {}) {
    v1::CreateTrainingOfferingRequest create;
    create.set_training_offering_id(id);
    create.mutable_training_offering()->set_display_name("Course " + id);
    create.mutable_training_offering()->set_program(v1::TRAINING_PROGRAM_PORT_SECURITY);
    create.mutable_training_offering()->set_marking(marking);
    for (const std::string& nation : open_to) create.mutable_training_offering()->add_open_to("countries/" + nation);
    create.set_request_id(NextId());
    return Must<v1::TrainingOffering>(hq_, "TrainingService/CreateTrainingOffering", create);
  }
  v1::LiaisonOfficer Officer(const std::string& id) {
    v1::CreateLiaisonOfficerRequest create;
    create.set_liaison_officer_id(id);
    create.mutable_liaison_officer()->set_display_name("IPSLO " + id);
    create.mutable_liaison_officer()->set_region(v1::REGION_APAC);
    return Make<v1::LiaisonOfficer>("ReferenceService/CreateLiaisonOfficer", create);
  }
  v1::Contact Contact(const std::string& id, v1::ContactDuty duty, v1::Marking marking) {
    v1::CreateContactRequest create;
    create.set_contact_id(id);
    create.mutable_contact()->set_country("countries/" + id.substr(0, 2));
    create.mutable_contact()->set_duty(duty);
    create.mutable_contact()->set_display_name("Watch of " + id);
    create.mutable_contact()->set_email(id + "@example.mil");
    create.mutable_contact()->set_always_reachable(true);
    create.mutable_contact()->set_marking(marking);
    create.set_request_id(NextId());
    return Must<v1::Contact>(hq_, "ReferenceService/CreateContact", create);
  }
  v1::Port Rename(const std::string& locode, const std::string& display_name) {
    v1::GetPortRequest get;
    get.set_name("ports/" + locode);
    v1::UpdatePortRequest request;
    *request.mutable_port() = Must<v1::Port>(officer_, "ReferenceService/GetPort", get);
    request.mutable_port()->set_display_name(display_name);
    request.set_request_id(NextId());
    return Must<v1::Port>(officer_, "ReferenceService/UpdatePort", request);
  }
  v1::PartnerGroup Group(const std::string& id, const std::vector<std::string>& nations) {
    v1::CreatePartnerGroupRequest request;
    request.set_partner_group_id(id);
    request.set_request_id(NextId());
    request.mutable_partner_group()->set_display_name(id);
    for (const std::string& nation : nations) request.mutable_partner_group()->add_nations("countries/" + nation);
    return Must<v1::PartnerGroup>(officer_, "ReleaseService/CreatePartnerGroup", request);
  }
  v1::Release Draft(const std::string& record, const std::vector<std::string>& nations) {
    v1::Release draft;
    draft.set_record(record);
    draft.set_purpose("A joint drill.");
    for (const std::string& nation : nations) draft.add_nations("countries/" + nation);
    return draft;
  }
  v1::PreviewReleaseResponse Preview(const v1::Release& draft) {
    v1::PreviewReleaseRequest request;
    *request.mutable_draft() = draft;
    return Must<v1::PreviewReleaseResponse>(officer_, "ReleaseService/PreviewRelease", request);
  }
  v1::Release Propose(const v1::Release& draft) {
    v1::CreateReleaseRequest request;
    *request.mutable_release() = Preview(draft).release();
    request.set_request_id(NextId());
    return Must<v1::Release>(officer_, "ReleaseService/CreateRelease", request);
  }
  absl::StatusOr<v1::Release> Approve(const Client& caller, const v1::Release& release) {
    v1::ApproveReleaseRequest request;
    request.set_name(release.name());
    request.set_etag(release.etag());
    request.set_request_id(NextId());
    return caller.Call<v1::Release>("ReleaseService/ApproveRelease", request);
  }
  v1::Release Release(const v1::Release& draft) {
    const auto approved = Approve(hq_, Propose(draft));
    EXPECT_TRUE(approved.ok()) << approved.status();
    return approved.value_or(v1::Release());
  }
  v1::Release Recall(const v1::Release& release) {
    v1::RecallReleaseRequest request;
    request.set_name(release.name());
    request.set_etag(release.etag());
    request.set_reason("spilled");
    request.set_request_id(NextId());
    return Must<v1::Release>(officer_, "ReleaseService/RecallRelease", request);
  }

  static v1::ListReleasedRecordsResponse List(const Client& partner) {
    return Must<v1::ListReleasedRecordsResponse>(partner, "ExchangeService/ListReleasedRecords", v1::ListReleasedRecordsRequest());
  }
  // Names of the ports that are released to the caller.
  static std::vector<std::string> Ports(const Client& partner) {
    std::vector<std::string> names;
    const v1::ListReleasedRecordsResponse listed = List(partner);
    for (const auto& record : listed.records()) names.push_back(record.port().locode() + " " + record.port().display_name());
    std::sort(names.begin(), names.end());
    return names;
  }
  static absl::StatusOr<v1::ReleasedRecord> Get(const Client& partner, const std::string& name) {
    v1::GetReleasedRecordRequest request;
    request.set_name(name);
    return partner.Call<v1::ReleasedRecord>("ExchangeService/GetReleasedRecord", request);
  }
  static v1::ListWithdrawalsResponse Withdrawals(const Client& partner) {
    return Must<v1::ListWithdrawalsResponse>(partner, "ExchangeService/ListWithdrawals", v1::ListWithdrawalsRequest());
  }
  std::string NameFor(const std::string& nation, const std::string& record) const {
    return "releasedRecords/" + exchange::Pseudonyms(TestCerts::Get().token_key()).Of("countries/" + nation, records::SubjectOf(record));
  }

  template <class Response, class Request>
  static Response Must(const Client& caller, const std::string& method, const Request& request) {
    const auto response = caller.Call<Response>(method, request);
    EXPECT_TRUE(response.ok()) << method << ": " << response.status();
    return response.value_or(Response());
  }

  ManualClock clock_;
  TestSite site_;
  Client officer_;
  Client hq_;
  Client jp_;
  Client au_;
  int ids_ = 0;
};

// The watch of what is released.
class Feed {
 public:
  Feed(const Client& partner, const std::string& token = "") : stub_(v1::ExchangeService::NewStub(partner.channel())) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    v1::WatchReleasedRecordsRequest request;
    request.set_resume_token(token);
    reader_ = stub_->WatchReleasedRecords(&context_, request);
  }
  ~Feed() {
    context_.TryCancel();
    v1::WatchReleasedRecordsResponse response;
    while (reader_->Read(&response)) {
    }
    reader_->Finish();
  }
  // What comes up to the next end, as "reset", "JPYOK Yokohama", "-name" and "end".
  std::vector<std::string> ToEnd() {
    std::vector<std::string> all;
    v1::WatchReleasedRecordsResponse response;
    while (reader_->Read(&response)) {
      if (response.reset()) all.push_back("reset");
      if (response.has_record()) all.push_back(response.record().port().locode() + " " + response.record().port().display_name());
      if (response.change_case() == v1::WatchReleasedRecordsResponse::kWithdrawn) all.push_back("-" + response.withdrawn());
      if (!response.complete()) continue;
      all.push_back("end");
      token_ = response.resume_token();
      return all;
    }
    ADD_FAILURE() << "the watch has ended";
    return all;
  }
  // The next response says nothing.
  void Idle() {
    v1::WatchReleasedRecordsResponse response;
    ASSERT_TRUE(reader_->Read(&response));
    EXPECT_EQ(response.SerializeAsString(), "");
  }
  const std::string& token() const { return token_; }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<v1::ExchangeService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::WatchReleasedRecordsResponse>> reader_;
  std::string token_;
};

// All that a partner's call brings: the bytes of the answer or of the error, and the trailing metadata.
template <class Response, class Request>
std::string BytesOf(const Client& partner, const std::string& method, const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const auto response = partner.Call<Response>(method, request, &context);
  std::string bytes = method + '\n';
  bytes += response.ok() ? response->SerializeAsString() : ToProto(response.status()).SerializeAsString();
  for (const auto& [key, value] : context.GetServerTrailingMetadata()) {
    if (std::string_view(key.data(), key.size()) == "grpc-status-details-bin") continue;  // is in the error
    bytes += fmt::format("\n{}={}", std::string_view(key.data(), key.size()), std::string_view(value.data(), value.size()));
  }
  return bytes;
}

}  // namespace fairlead::rpc

#endif  // FAIRLEAD_SERVER_RPC_EXCHANGE_FIXTURE_H_
