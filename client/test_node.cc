#include "client/test_node.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "api/errors.h"

namespace fairlead::client {

using namespace fairlead::v1;  // NOLINT: a test's double of the whole API

namespace {

// Writes the fields that are set, as the import methods do.
template <class Record>
void ImportOne(const Record& given, const std::string& etag, std::map<std::string, Record>* records, ImportResponse* response) {
  const auto it = records->find(given.name());
  if (it == records->end()) {
    Record& record = (*records)[given.name()];
    record = given;
    record.set_etag(etag);
    response->set_created(response->created() + 1);
    return;
  }
  Record next = it->second;
  for (int i = 0; i < Record::descriptor()->field_count(); ++i) {
    const auto* field = Record::descriptor()->field(i);
    const bool set =
        field->is_repeated() ? given.GetReflection()->FieldSize(given, field) > 0 : given.GetReflection()->HasField(given, field);
    if (set) next.GetReflection()->ClearField(&next, field);
  }
  next.MergeFrom(given);
  if (google::protobuf::util::MessageDifferencer::Equals(next, it->second)) {
    response->set_unchanged(response->unchanged() + 1);
    return;
  }
  next.set_etag(etag);
  it->second = next;
  response->set_updated(response->updated() + 1);
}

// Records in order of their names, a page from the name in the token on.
template <class Request, class Record, class Add>
std::string Page(const Request& request, const std::map<std::string, Record>& records, const Add& add) {
  const int size = request.page_size() == 0 ? 50 : request.page_size();
  int n = 0;
  for (auto it = records.lower_bound(request.page_token()); it != records.end(); ++it) {
    if (n == size) return it->first;
    if (add(it->second)) ++n;
  }
  return "";
}

grpc::Status NotFound(const std::string& name) { return ToGrpc(Error(Reason::kRecordNotFound, "there is no " + name)); }
grpc::Status Stale() { return ToGrpc(Error(Reason::kEtagMismatch, "the record has changed")); }

}  // namespace

class TestNode::Engagements final : public EngagementService::Service {
 public:
  explicit Engagements(TestNode* node) : node_(*node) {}

  grpc::Status CreateEngagement(grpc::ServerContext* context, const CreateEngagementRequest* request, Engagement* response) override {
    if (grpc::Status status = node_.Enter(context, request->request_id()); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    const std::string name = "engagements/e" + std::to_string(node_.engagements_.size());
    Engagement& engagement = node_.engagements_[name];
    engagement = request->engagement();
    engagement.set_name(name);
    engagement.set_state(ENGAGEMENT_STATE_DRAFT);
    engagement.set_etag(node_.NextEtag());
    *response = engagement;
    return grpc::Status::OK;
  }
  grpc::Status GetEngagement(grpc::ServerContext* context, const GetEngagementRequest* request, Engagement* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    const auto it = node_.engagements_.find(request->name());
    if (it == node_.engagements_.end()) return NotFound(request->name());
    *response = it->second;
    return grpc::Status::OK;
  }
  grpc::Status ListEngagements(grpc::ServerContext* context, const ListEngagementsRequest* request,
                               ListEngagementsResponse* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    response->set_next_page_token(Page(*request, node_.engagements_, [&](const Engagement& engagement) {
      const auto& countries = engagement.countries();
      if (!request->country().empty() && std::find(countries.begin(), countries.end(), request->country()) == countries.end()) return false;
      *response->add_engagements() = engagement;
      return true;
    }));
    return grpc::Status::OK;
  }
  // Three entries, one on a page: a page may hold fewer than were asked for.
  grpc::Status ListCalendarEntries(grpc::ServerContext* context, const fairlead::v1::ListCalendarEntriesRequest* request,
                                   fairlead::v1::ListCalendarEntriesResponse* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    const int page = request->page_token().empty() ? 1 : std::stoi(request->page_token());
    fairlead::v1::CalendarEntry* entry = response->add_entries();
    entry->set_title("Visit " + std::to_string(page));
    *entry->mutable_start_date() = request->start_date();
    entry->add_countries(request->country());
    if (page < 3) response->set_next_page_token(std::to_string(page + 1));
    return grpc::Status::OK;
  }
  grpc::Status ScheduleEngagement(grpc::ServerContext* c, const ScheduleEngagementRequest* r, Engagement* e) override {
    return Move(c, *r, {ENGAGEMENT_STATE_DRAFT, ENGAGEMENT_STATE_PROPOSED}, ENGAGEMENT_STATE_SCHEDULED, e,
                [r](Engagement* engagement) { *engagement->mutable_start_date() = r->start_date(); });
  }
  grpc::Status StartEngagement(grpc::ServerContext* c, const StartEngagementRequest* r, Engagement* e) override {
    return Move(c, *r, {ENGAGEMENT_STATE_SCHEDULED}, ENGAGEMENT_STATE_IN_PROGRESS, e, [](Engagement*) {});
  }
  grpc::Status CompleteEngagement(grpc::ServerContext* c, const CompleteEngagementRequest* r, Engagement* e) override {
    return Move(c, *r, {ENGAGEMENT_STATE_IN_PROGRESS}, ENGAGEMENT_STATE_COMPLETED, e,
                [r](Engagement* engagement) { engagement->set_outcome(r->outcome()); });
  }

 private:
  template <class Request, class Apply>
  grpc::Status Move(grpc::ServerContext* context, const Request& request, const std::set<EngagementState>& from, EngagementState to,
                    Engagement* response, const Apply& apply) {
    if (grpc::Status status = node_.Enter(context, request.request_id()); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    const auto it = node_.engagements_.find(request.name());
    if (it == node_.engagements_.end()) return NotFound(request.name());
    if (it->second.etag() != request.etag()) return Stale();
    if (!from.contains(it->second.state())) return ToGrpc(Error(Reason::kStateForbids, "not from this state"));
    apply(&it->second);
    it->second.set_state(to);
    it->second.set_etag(node_.NextEtag());
    *response = it->second;
    return grpc::Status::OK;
  }

  TestNode& node_;
};

class TestNode::Records final : public RecordService::Service {
 public:
  explicit Records(TestNode* node) : node_(*node) {}

  grpc::Status WatchRecords(grpc::ServerContext* context, const WatchRecordsRequest* request,
                            grpc::ServerWriter<WatchRecordsResponse>* writer) override {
    std::vector<WatchRecordsResponse> events;
    bool last;
    {
      std::lock_guard lock(node_.mutex_);
      node_.watches_.push_back(*request);
      const auto token = context->client_metadata().find("fairlead-token");
      node_.tokens_.emplace_back(token == context->client_metadata().end() ? std::string()
                                                                           : std::string(token->second.data(), token->second.size()));
      if (!node_.feed.empty()) {
        events = node_.feed.front();
        node_.feed.pop_front();
      }
      last = node_.feed.empty();
    }
    if (last && events.empty()) events.emplace_back();  // a heartbeat, as from a node that has nothing to tell yet
    for (const WatchRecordsResponse& event : events) writer->Write(event);
    if (!last) return {grpc::StatusCode::UNAVAILABLE, "the link broke"};
    std::unique_lock lock(node_.mutex_);
    while (!node_.ending_ && !context->IsCancelled()) node_.ended_.wait_for(lock, std::chrono::milliseconds(5));
    return grpc::Status::OK;
  }
  grpc::Status ListConflicts(grpc::ServerContext* context, const ListConflictsRequest* request, ListConflictsResponse* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    node_.conflict_lists_.push_back(*request);
    response->set_next_page_token(Page(*request, node_.conflicts, [&](const Conflict& conflict) {
      *response->add_conflicts() = conflict;
      return true;
    }));
    return grpc::Status::OK;
  }
  grpc::Status GetConflict(grpc::ServerContext* context, const GetConflictRequest* request, Conflict* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    const auto it = node_.conflicts.find(request->name());
    if (it == node_.conflicts.end()) return NotFound(request->name());
    *response = it->second;
    return grpc::Status::OK;
  }
  grpc::Status ResolveConflict(grpc::ServerContext* context, const ResolveConflictRequest* request,
                               ResolveConflictResponse* response) override {
    if (grpc::Status status = node_.Enter(context, request->request_id()); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    node_.resolutions_.push_back(*request);
    const auto it = node_.conflicts.find(request->name());
    if (it == node_.conflicts.end() || it->second.etag() != request->etag()) return Stale();
    Port port;
    port.set_name(it->second.record());
    port.set_display_name("settled");
    response->mutable_record()->PackFrom(port);
    node_.conflicts.erase(it);
    return grpc::Status::OK;
  }
  grpc::Status EraseRevision(grpc::ServerContext* context, const EraseRevisionRequest* request, Erasure* response) override {
    if (grpc::Status status = node_.Enter(context, request->request_id()); !status.ok()) return status;
    std::lock_guard lock(node_.mutex_);
    node_.erasures_.push_back(*request);
    *response = ErasureFor(*request);
    return grpc::Status::OK;
  }
  grpc::Status GetErasure(grpc::ServerContext* context, const GetErasureRequest* request, Erasure* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    for (const EraseRevisionRequest& asked : node_.erasures()) {
      if (asked.entry() == request->entry() && !asked.validate_only()) *response = ErasureFor(asked);
    }
    return response->entry().empty() ? NotFound(request->entry()) : grpc::Status::OK;
  }
  grpc::Status ListErasures(grpc::ServerContext* context, const ListErasuresRequest*, ListErasuresResponse* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    for (const EraseRevisionRequest& asked : node_.erasures()) {
      if (!asked.validate_only()) *response->add_erasures() = ErasureFor(asked);
    }
    return grpc::Status::OK;
  }
  static Erasure ErasureFor(const EraseRevisionRequest& request) {
    Erasure erasure;
    erasure.set_entry(request.entry());
    erasure.add_records(request.name());
    erasure.set_actor("hq/records/clerk");
    erasure.set_reason(request.reason());
    erasure.set_authority(request.authority());
    erasure.add_outstanding_sites("eame");
    if (request.validate_only()) return erasure;
    erasure.set_erasure("hq/1/3");
    erasure.set_site("hq");
    erasure.mutable_time()->set_seconds(1'777'636'800);
    erasure.add_purged_sites("hq");
    erasure.add_outstanding_backups("backups/b1");
    erasure.add_copies("csa/1/4");
    return erasure;
  }
  grpc::Status ListRevisions(grpc::ServerContext* context, const ListRevisionsRequest* request, ListRevisionsResponse* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    Revision* revision = response->add_revisions();
    revision->set_entry(node_.site_ + "/1/7");
    revision->set_actor("officer/apac/watch");
    revision->set_method("fairlead.v1.ReferenceService/UpdatePort");
    revision->mutable_time()->set_seconds(1'777'636'800);
    FieldChange* change = revision->add_changes();
    change->set_field("display_name");
    change->set_value("\"" + request->name() + "\"");
    return grpc::Status::OK;
  }

 private:
  TestNode& node_;
};

class TestNode::Nodes final : public NodeService::Service {
 public:
  explicit Nodes(TestNode* node) : node_(*node) {}

  grpc::Status GetStateDigest(grpc::ServerContext* context, const GetStateDigestRequest*, StateDigest* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    *response = node_.digest;
    return grpc::Status::OK;
  }
  grpc::Status GetNodeStatus(grpc::ServerContext* context, const GetNodeStatusRequest*, NodeStatus* response) override {
    if (grpc::Status status = node_.Enter(context); !status.ok()) return status;
    *response = node_.status;
    return grpc::Status::OK;
  }
  grpc::Status CreateBackup(grpc::ServerContext* context, const CreateBackupRequest* request, Backup* response) override {
    if (grpc::Status status = node_.Enter(context, request->request_id()); !status.ok()) return status;
    response->set_name("backups/" + node_.site_);
    return grpc::Status::OK;
  }

 private:
  TestNode& node_;
};

TestNode::TestNode(std::string site, std::shared_ptr<grpc::ServerCredentials> credentials) : site_(std::move(site)) {
  engagement_service_ = std::make_unique<Engagements>(this);
  record_service_ = std::make_unique<Records>(this);
  node_service_ = std::make_unique<Nodes>(this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", std::move(credentials), &port_);
  builder.RegisterService(this);
  builder.RegisterService(engagement_service_.get());
  builder.RegisterService(record_service_.get());
  builder.RegisterService(node_service_.get());
  server_ = builder.BuildAndStart();
}

TestNode::~TestNode() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ended_.notify_all();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

std::shared_ptr<grpc::Channel> TestNode::Channel() const { return grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()); }

void TestNode::FailNext(std::vector<grpc::Status> statuses) {
  std::lock_guard lock(mutex_);
  for (grpc::Status& status : statuses) failures_.push_back(std::move(status));
}
void TestNode::LoseNextAnswers(int n) {
  std::lock_guard lock(mutex_);
  lose_ = n;
}
std::vector<std::string> TestNode::tokens() const {
  std::lock_guard lock(mutex_);
  return tokens_;
}
std::vector<std::string> TestNode::request_ids() const {
  std::lock_guard lock(mutex_);
  return request_ids_;
}
int TestNode::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}
int TestNode::import_calls() const {
  std::lock_guard lock(mutex_);
  return import_calls_;
}
std::map<std::string, Port> TestNode::ports() const {
  std::lock_guard lock(mutex_);
  return ports_;
}
std::map<std::string, Country> TestNode::countries() const {
  std::lock_guard lock(mutex_);
  return countries_;
}
std::map<std::string, Engagement> TestNode::engagements() const {
  std::lock_guard lock(mutex_);
  return engagements_;
}
std::vector<ListConflictsRequest> TestNode::conflict_lists() const {
  std::lock_guard lock(mutex_);
  return conflict_lists_;
}
std::vector<ResolveConflictRequest> TestNode::resolutions() const {
  std::lock_guard lock(mutex_);
  return resolutions_;
}
std::vector<EraseRevisionRequest> TestNode::erasures() const {
  std::lock_guard lock(mutex_);
  return erasures_;
}
std::vector<std::string> TestNode::viewers() const {
  std::lock_guard lock(mutex_);
  return viewers_;
}

std::vector<std::string> TestNode::durabilities() const {
  std::lock_guard lock(mutex_);
  return durabilities_;
}
std::vector<WatchRecordsRequest> TestNode::watches() const {
  std::lock_guard lock(mutex_);
  return watches_;
}
void TestNode::Put(const Port& port) {
  std::lock_guard lock(mutex_);
  ports_[port.name()] = port;
  ports_[port.name()].set_etag(NextEtag());
}
void TestNode::Put(const Country& country) {
  std::lock_guard lock(mutex_);
  countries_[country.name()] = country;
}

grpc::Status TestNode::Enter(grpc::ServerContext* context, const std::string& request_id) {
  std::lock_guard lock(mutex_);
  ++calls_;
  const auto token = context->client_metadata().find("fairlead-token");
  tokens_.emplace_back(token == context->client_metadata().end() ? std::string() : std::string(token->second.data(), token->second.size()));
  const auto viewer = context->client_metadata().find("fairlead-viewer");
  viewers_.emplace_back(viewer == context->client_metadata().end() ? std::string()
                                                                   : std::string(viewer->second.data(), viewer->second.size()));
  request_ids_.push_back(request_id);
  const auto wish = context->client_metadata().find("fairlead-durability");
  durabilities_.emplace_back(wish == context->client_metadata().end() ? std::string()
                                                                      : std::string(wish->second.data(), wish->second.size()));
  if (!durabilities_.back().empty()) context->AddTrailingMetadata("fairlead-durability", durabilities_.back() + " eame");
  context->AddTrailingMetadata("fairlead-token", site_ + ":" + std::to_string(calls_));
  if (failures_.empty()) return grpc::Status::OK;
  grpc::Status failure = failures_.front();
  failures_.pop_front();
  return failure;
}

grpc::Status TestNode::Leave() {
  if (lose_ == 0) return grpc::Status::OK;
  --lose_;
  return {grpc::StatusCode::UNAVAILABLE, "the answer was lost"};
}

grpc::Status TestNode::GetPort(grpc::ServerContext* context, const GetPortRequest* request, Port* response) {
  if (grpc::Status status = Enter(context); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  const auto it = ports_.find(request->name());
  if (it == ports_.end()) return NotFound(request->name());
  *response = it->second;
  return grpc::Status::OK;
}

grpc::Status TestNode::ListPorts(grpc::ServerContext* context, const ListPortsRequest* request, ListPortsResponse* response) {
  if (grpc::Status status = Enter(context); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  response->set_next_page_token(Page(*request, ports_, [&](const Port& port) {
    if (!request->country().empty() && port.country() != request->country()) return false;
    *response->add_ports() = port;
    return true;
  }));
  return grpc::Status::OK;
}

grpc::Status TestNode::CreatePort(grpc::ServerContext* context, const CreatePortRequest* request, Port* response) {
  if (grpc::Status status = Enter(context, request->request_id()); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  const std::string name = "ports/" + request->port_id();
  if (const auto it = created_.find(request->request_id()); it != created_.end()) {
    *response = ports_.at(it->second);
    return Leave();
  }
  if (ports_.contains(name)) return ToGrpc(Error(Reason::kRecordExists, name + " exists"));
  if (request->port().display_name().empty()) return ToGrpc(FieldError(Reason::kFieldRequired, "port.display_name", "a port needs a name"));
  Port& port = ports_[name];
  port = request->port();
  port.set_name(name);
  port.set_etag(NextEtag());
  created_[request->request_id()] = name;
  *response = port;
  return Leave();
}

grpc::Status TestNode::UpdatePort(grpc::ServerContext* context, const UpdatePortRequest* request, Port* response) {
  if (grpc::Status status = Enter(context, request->request_id()); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  const auto it = ports_.find(request->port().name());
  if (it == ports_.end()) return NotFound(request->port().name());
  if (it->second.etag() != request->port().etag()) return Stale();
  for (const std::string& path : request->update_mask().paths()) {
    const auto* field = Port::descriptor()->FindFieldByName(path);
    Port only;
    const bool set = field->is_repeated() || request->port().GetReflection()->HasField(request->port(), field);
    it->second.GetReflection()->ClearField(&it->second, field);
    if (!set) continue;
    only = request->port();
    for (int i = 0; i < Port::descriptor()->field_count(); ++i) {
      if (Port::descriptor()->field(i) != field) only.GetReflection()->ClearField(&only, Port::descriptor()->field(i));
    }
    it->second.MergeFrom(only);
  }
  it->second.set_etag(NextEtag());
  *response = it->second;
  return Leave();
}

grpc::Status TestNode::ImportPorts(grpc::ServerContext* context, const ImportPortsRequest* request, ImportResponse* response) {
  if (grpc::Status status = Enter(context); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  ++import_calls_;
  for (int i = 0; i < request->ports_size(); ++i) {
    if (request->ports(i).display_name() == "refuse me") {
      ImportRefusal* refusal = response->add_refusals();
      refusal->set_index(i);
      *refusal->mutable_status() = ToProto(FieldError(Reason::kReferenceNotFound, "country", "there is no such country"));
      continue;
    }
    ImportOne(request->ports(i), NextEtag(), &ports_, response);
  }
  return Leave();
}

grpc::Status TestNode::ListCountries(grpc::ServerContext* context, const ListCountriesRequest* request, ListCountriesResponse* response) {
  if (grpc::Status status = Enter(context); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  response->set_next_page_token(Page(*request, countries_, [&](const Country& country) {
    *response->add_countries() = country;
    return true;
  }));
  return grpc::Status::OK;
}

grpc::Status TestNode::ImportCountries(grpc::ServerContext* context, const ImportCountriesRequest* request, ImportResponse* response) {
  if (grpc::Status status = Enter(context); !status.ok()) return status;
  std::lock_guard lock(mutex_);
  ++import_calls_;
  for (const Country& country : request->countries()) ImportOne(country, NextEtag(), &countries_, response);
  return Leave();
}

RetryOptions FastRetries() { return {absl::Milliseconds(1), absl::Milliseconds(4)}; }

}  // namespace fairlead::client
