#include "tests/simulation/clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/bytes.h"
#include "api/crypto.h"
#include "api/erasure.h"
#include "api/errors.h"
#include "fairlead/v1/engagement_service.pb.h"
#include "fairlead/v1/reference_service.pb.h"
#include "server/node/assembly.h"
#include "server/node/erasures.h"
#include "server/node/materialise.h"
#include "server/records/types.h"

namespace fairlead::simulation {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

namespace {

constexpr char kEngagements[] = "fairlead.v1.EngagementService/";
constexpr char kReference[] = "fairlead.v1.ReferenceService/";
constexpr char kExchange[] = "fairlead.v1.ExchangeService/";
constexpr const char* kCodes[] = {"JP", "KR", "PH", "VN", "ID"};

// Texts of a record that its clients edit.
const std::vector<std::string>& TextFields(const records::RecordType& type) {
  static const std::vector<std::string> country = {"display_name", "official_name"};
  static const std::vector<std::string> engagement = {"title", "objectives", "outcome", "notes"};
  return type.singular() == "Country" ? country : engagement;
}

std::shared_ptr<Message> RequestFor(const std::string& method) {
  const std::string name = "fairlead.v1." + method.substr(method.find('/') + 1) + "Request";
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  return std::shared_ptr<Message>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

void Set(Message* message, const std::string& field, const std::string& text) {
  message->GetReflection()->SetString(message, rpc::Field(*message, field), text);
}

Message* ResourceOf(const records::RecordType& type, Message* request) {
  return request->GetReflection()->MutableMessage(request, rpc::FieldOfType(*request->GetDescriptor(), type, /*repeated=*/false));
}

google::protobuf::FieldMask* MaskOf(Message* request) {
  return static_cast<google::protobuf::FieldMask*>(request->GetReflection()->MutableMessage(request, rpc::Field(*request, "update_mask")));
}

// Errors that say that the request was not carried out, for reasons that may come up here.
bool IsRefusal(const std::string& reason) {
  static const std::set<std::string> kReasons = {"ETAG_MISMATCH",   "RECORD_EXISTS",       "RECORD_NOT_FOUND", "RECORD_WITHDRAWN",
                                                 "STATE_FORBIDS",   "NODE_READ_ONLY",      "STORAGE_FULL",     "CLOCK_DRIFT",
                                                 "CLOCK_DISAGREES", "REFERENCE_NOT_FOUND", "FIELD_REQUIRED",   "FIELD_INVALID"};
  return kReasons.contains(reason);
}

}  // namespace

Clients::Clients(World* world, Random random) : world_(*world), random_(std::move(random)) {
  pause_ = random_.Between(absl::Milliseconds(60), absl::Milliseconds(500));
  thought_max_ = random_.Between(absl::Milliseconds(50), absl::Seconds(5));
  records_max_ = 2 + random_.Below(20);  // few records: many conflicts
  if (random_.OneIn(25)) bulk_ = 1;
}

void Clients::Start(absl::Time end) {
  world_.schedule().After(absl::Milliseconds(100), [this, end] { Wake(end); });
}

void Clients::Wake(absl::Time end) {
  if (world_.schedule().now() >= end) return;
  Act();
  world_.schedule().After(random_.Between(absl::ZeroDuration(), pause_ * 2), [this, end] { Wake(end); });
}

Site* Clients::AnySite() {
  std::vector<Site*> up;
  for (const auto& site : world_.sites()) {
    if (site->node != nullptr) up.push_back(site.get());
  }
  return up.empty() ? nullptr : random_.Of(up);
}

void Clients::Act() {
  if (bulk_ > 0 && random_.OneIn(20)) return CreateMany();
  const uint64_t dice = random_.Below(100);
  if (names_.size() < 4 || (dice < 12 && names_.size() < records_max_)) return random_.OneIn(3) ? CreateCountry() : CreateEngagement();
  if (!world_.other_streams().empty() && random_.OneIn(8)) return WriteStreams();
  if (dice < 25) return Repeat();
  if (dice < 32) return Pair();
  if (random_.OneIn(25)) return Erase();
  auto draft = Read(AnySite(), random_.OneIn(5) ? "countries" : "engagements");
  if (!draft) return;
  auto shared = std::make_shared<Draft>(*std::move(draft));
  world_.schedule().After(random_.Between(absl::ZeroDuration(), thought_max_), [this, dice, shared] {
    if (random_.OneIn(10)) shared->site = AnySite();  // it is written elsewhere than it was read
    if (shared->site == nullptr || shared->site->node == nullptr) return;
    if (dice < 34) return Withdraw(*shared);
    if (dice < 60 && !shared->type->transitions.empty()) return Move(*shared);
    Update(*shared, /*settle=*/dice < 80);
  });
}

std::optional<Clients::Draft> Clients::Read(Site* site, std::string_view collection) {
  if (site == nullptr || names_.empty()) return std::nullopt;
  for (int i = 0; i < 8; ++i) {
    const std::string& name = random_.Of(names_);
    if (!name.starts_with(collection)) continue;
    const records::RecordType* type = records::TheRegistry().FindByName(name);
    auto loaded = rpc::Load(*site->node, site->node->store(), *type, name);
    if (!loaded.ok()) {
      world_.Fail(fmt::format("{} at {} cannot be read: {}", name, site->name, std::string(loaded.status().message())));
      return std::nullopt;
    }
    if (loaded->has_value()) return Draft{site, type, name, std::move(**loaded)};
  }
  return std::nullopt;
}

Request Clients::NewRequest(Site* site, Request::Kind kind, const std::string& method) {
  Request request;
  request.kind = kind;
  const uint64_t ms = static_cast<uint64_t>(absl::ToUnixMillis(site->clock.Now()));
  // A UUID of version 7, like NewRequestId's, of this simulation's randomness.
  const std::string hex = fmt::format("{:012x}7{:03x}8{:03x}{:012x}", ms & 0xffffffffffff, random_.Below(0x1000), random_.Below(0x1000),
                                      random_.Below(1ULL << 48));
  request.id = fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20));
  request.identity.kind = rpc::IdentityKind::kOfficer;
  request.identity.scope = site->name;
  request.identity.name = fmt::format("o{}", random_.Below(4));
  request.identity.path = fmt::format("officer/{}/{}", request.identity.scope, request.identity.name);
  request.method = method;
  if (kind != Request::Kind::kPair && kind != Request::Kind::kErase) {
    request.message = RequestFor(method);
    Set(request.message.get(), "request_id", request.id);
  }
  return request;
}

void Clients::Note(const Draft& draft, Request* request) {
  Basis& basis = request->basis[draft.name];
  for (const auto& [number, view] : node::ViewOf(draft.read.state)) {
    for (const auto& [id, value] : view.live) basis.shown.insert(id);
    for (const auto& [id, value] : view.pending) basis.shown.insert(id);
    for (const auto& [id, value] : view.pending_removals) basis.shown.insert(id);
  }
  for (const auto& [number, field] : draft.read.state.fields) {
    for (const auto& [id, value] : field.values) basis.all.insert(id);
  }
  for (const auto& [seal, listed] : draft.read.state.seals) basis.all.insert(seal);
}

std::string Clients::Text(Request* request, const std::string& record) {
  std::string text = fmt::format("text{:05}.", ++texts_);  // no text begins another
  request->written.emplace_back(record, text);
  return text;
}

void Clients::CreateCountry() {
  Site* site = AnySite();
  if (site == nullptr) return;
  Request request = NewRequest(site, Request::Kind::kCreate, std::string(kReference) + "CreateCountry");
  request.type = records::TheRegistry().FindByMessage("Country");
  auto& message = static_cast<v1::CreateCountryRequest&>(*request.message);
  message.set_country_id(kCodes[random_.Below(std::size(kCodes))]);
  const std::string name = "countries/" + message.country_id();
  message.mutable_country()->set_display_name(Text(&request, name));
  message.mutable_country()->set_region(random_.OneIn(2) ? v1::REGION_APAC : v1::REGION_EAME);
  request.basis[name];
  if (std::find(names_.begin(), names_.end(), name) == names_.end()) names_.push_back(name);
  Submit(std::move(request), site);
}

void Clients::CreateEngagement() {
  Site* site = AnySite();
  auto country = Read(site, "countries");
  if (!country) return CreateCountry();
  Request request = NewRequest(site, Request::Kind::kCreate, std::string(kEngagements) + "CreateEngagement");
  request.type = records::TheRegistry().FindByMessage("Engagement");
  const std::string id = CreatedRecordId(world_.roster().network(), request.identity.path, request.method, request.id);
  const std::string name = "engagements/" + id;
  v1::Engagement& engagement = *static_cast<v1::CreateEngagementRequest&>(*request.message).mutable_engagement();
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title(Text(&request, name));
  engagement.add_countries(country->name);
  engagement.set_region(v1::REGION_APAC);
  engagement.add_participants()->set_counterpart(Text(&request, name));
  // Only a leaf may be left out: what its peer is due never has to pass through it.
  std::vector<Site*> leaves = world_.Leaves();
  std::erase_if(leaves, [site](const Site* leaf) { return leaf->id == site->id; });
  if (random_.OneIn(4) && !leaves.empty() && world_.roster().sites().size() > 2) {
    const Site* out = random_.Of(leaves);
    for (const RosterSite& other : world_.roster().sites()) {
      if (other.id != out->id) engagement.add_audience(other.name);
    }
  }
  request.basis[name];
  names_.push_back(name);
  Submit(std::move(request), site);
}

// Enough at once to fill a block of the log's tree and more.
void Clients::CreateMany() {
  Site* site = AnySite();
  if (site == nullptr) return;
  --bulk_;
  for (int i = 0; i < 270; ++i) {
    Request request = NewRequest(site, Request::Kind::kCreate, std::string(kReference) + "CreateCountry");
    request.type = records::TheRegistry().FindByMessage("Country");
    auto& message = static_cast<v1::CreateCountryRequest&>(*request.message);
    message.set_country_id(std::string{static_cast<char>('A' + i / 26), static_cast<char>('A' + i % 26)});
    const std::string name = "countries/" + message.country_id();
    message.mutable_country()->set_display_name(Text(&request, name));
    message.mutable_country()->set_region(v1::REGION_CSA);
    request.basis[name];
    Submit(std::move(request), site);
  }
}

// Leaves a site out that was not. Only a leaf: what its peer is due never has to pass through it.
bool Clients::Narrow(const Site* site, v1::Engagement* engagement) {
  std::set<std::string> audience(engagement->audience().begin(), engagement->audience().end());
  if (audience.empty()) {
    for (const RosterSite& each : world_.roster().sites()) audience.insert(each.name);
  }
  std::vector<Site*> leaves = world_.Leaves();
  std::erase_if(leaves, [site](const Site* leaf) { return leaf->id == site->id; });
  if (leaves.empty() || world_.roster().sites().size() < 3 || !audience.contains(site->name)) return false;
  if (audience.erase(random_.Of(leaves)->name) == 0) return false;
  *engagement->mutable_audience() = {audience.begin(), audience.end()};
  return true;
}

void Clients::Update(const Draft& draft, bool settle) {
  Request request = NewRequest(draft.site, Request::Kind::kUpdate,
                               (draft.type->singular() == "Country" ? kReference : kEngagements) + ("Update" + draft.type->singular()));
  request.type = draft.type;
  Note(draft, &request);
  Message* next = ResourceOf(*draft.type, request.message.get());
  next->CopyFrom(*draft.read.message);
  auto* mask = MaskOf(request.message.get());
  std::set<std::string> fields;
  if (settle) {
    const auto* reflection = draft.read.message->GetReflection();
    const FieldDescriptor* conflicts = rpc::Field(*draft.read.message, "conflicts");
    for (int i = 0; i < reflection->FieldSize(*draft.read.message, conflicts); ++i) {
      fields.insert(static_cast<const v1::FieldConflict&>(reflection->GetRepeatedMessage(*draft.read.message, conflicts, i)).field());
    }
    // Methods of their own move these.
    fields.erase("state");
    fields.erase("withdrawn");
  }
  const bool settles = !fields.empty();
  if (!settles) {
    for (uint64_t n = 1 + random_.Below(3); n > 0; --n) fields.insert(random_.Of(TextFields(*draft.type)));
    if (draft.type->singular() == "Engagement" && random_.OneIn(3)) fields.insert("participants");
    if (draft.type->singular() == "Engagement" && random_.OneIn(8) && Narrow(draft.site, static_cast<v1::Engagement*>(next))) {
      mask->add_paths("audience");
    }
  }
  for (const std::string& field : fields) {
    mask->add_paths(field);
    const std::vector<std::string>& texts = TextFields(*draft.type);
    if (field == "participants") {
      auto* participants = static_cast<v1::Engagement*>(next)->mutable_participants();
      if (!participants->empty() && random_.OneIn(2))
        participants->DeleteSubrange(static_cast<int>(random_.Below(participants->size())), 1);
      participants->Add()->set_counterpart(Text(&request, draft.name));
    } else if (std::find(texts.begin(), texts.end(), field) != texts.end() && (!settles || random_.OneIn(2))) {
      Set(next, field, Text(&request, draft.name));
    }  // else the value that is shown is confirmed
  }
  Submit(std::move(request), draft.site);
}

void Clients::Move(const Draft& draft) {
  const int state = static_cast<const v1::Engagement&>(*draft.read.message).state();
  std::vector<const records::Transition*> allowed;
  for (const records::Transition& transition : draft.type->transitions) {
    // Calling off ends a record's life here: seldom.
    const bool calls_off = transition.to == v1::ENGAGEMENT_STATE_CANCELLED || transition.to == v1::ENGAGEMENT_STATE_REFUSED;
    if (calls_off && !random_.OneIn(5)) continue;
    if (std::find(transition.from.begin(), transition.from.end(), state) != transition.from.end()) allowed.push_back(&transition);
  }
  if (allowed.empty()) return;
  const records::Transition* transition = random_.Of(allowed);
  Request request = NewRequest(draft.site, Request::Kind::kMove, kEngagements + transition->method);
  request.type = draft.type;
  request.transition = transition;
  Note(draft, &request);
  Set(request.message.get(), "name", draft.name);
  Set(request.message.get(), "etag", rpc::GetString(*draft.read.message, "etag"));
  if (auto* schedule = dynamic_cast<v1::ScheduleEngagementRequest*>(request.message.get())) {
    schedule->mutable_start_date()->set_year(2026);
    schedule->mutable_start_date()->set_month(1 + static_cast<int>(random_.Below(12)));
    schedule->mutable_start_date()->set_day(1 + static_cast<int>(random_.Below(28)));
  }
  for (const char* field : {"outcome", "reason"}) {
    if (rpc::Field(*request.message, field) != nullptr) Set(request.message.get(), field, Text(&request, draft.name));
  }
  Submit(std::move(request), draft.site);
}

void Clients::Withdraw(const Draft& draft) {
  Request request = NewRequest(draft.site, Request::Kind::kWithdraw,
                               (draft.type->singular() == "Country" ? kReference : kEngagements) + ("Withdraw" + draft.type->singular()));
  request.type = draft.type;
  Note(draft, &request);
  Set(request.message.get(), "name", draft.name);
  Set(request.message.get(), "etag", rpc::GetString(*draft.read.message, "etag"));
  Submit(std::move(request), draft.site);
}

// Two records in one request, as an import writes them.
void Clients::Pair() {
  Site* site = AnySite();
  auto first = Read(site, "engagements");
  auto second = Read(site, "engagements");
  if (!first || !second || first->name == second->name) return;
  const auto& a = static_cast<const v1::Engagement&>(*first->read.message);
  const auto& b = static_cast<const v1::Engagement&>(*second->read.message);
  if (a.audience_size() != b.audience_size() || a.audience_size() > 0) return;  // one entry has one audience
  Request request = NewRequest(site, Request::Kind::kPair, std::string(kEngagements) + "ImportEngagements");
  request.pair.actor = request.identity.path;
  request.pair.request_id = request.id;
  request.pair.method = request.method;
  const Digest digest = Sha256(request.id);
  std::copy_n(digest.begin(), request.pair.request_digest.size(), request.pair.request_digest.begin());
  for (const Draft* draft : {&*first, &*second}) {
    Note(*draft, &request);
    v1::Engagement next = static_cast<const v1::Engagement&>(*draft->read.message);
    next.set_notes(Text(&request, draft->name));
    request.pair.mutations.push_back(node::MutationFor(*draft->type, draft->name, &draft->read.state, next, {rpc::Field(next, "notes")}));
    request.pair.expectations.push_back({draft->name, node::EtagOf(draft->read.state)});
  }
  if (random_.OneIn(2)) AddCompanions(site, &request);
  Submit(std::move(request), site);
}

// An engagement that the request makes under the method's name.
Mutation Clients::Begin(Site* site, const std::string& method, Request* request) {
  const std::string name = "engagements/" + CreatedRecordId(world_.roster().network(), request->identity.path, method, request->id);
  const records::RecordType& type = *records::TheRegistry().FindByMessage("Engagement");
  v1::Engagement engagement;
  engagement.set_kind(v1::ENGAGEMENT_KIND_COUNTRY_VISIT);
  engagement.set_title(Text(request, name));
  engagement.set_region(v1::REGION_APAC);
  std::vector<const FieldDescriptor*> fields = {rpc::Field(engagement, "kind"), rpc::Field(engagement, "title"),
                                                rpc::Field(engagement, "region")};
  std::vector<Site*> leaves = world_.Leaves();
  std::erase_if(leaves, [site](const Site* leaf) { return leaf->id == site->id; });
  if (random_.OneIn(4) && !leaves.empty() && world_.roster().sites().size() > 2) {
    const Site* out = random_.Of(leaves);
    for (const RosterSite& other : world_.roster().sites()) {
      if (other.id != out->id) engagement.add_audience(other.name);
    }
    fields.push_back(rpc::Field(engagement, "audience"));
  }
  request->basis[name];
  if (random_.OneIn(2)) names_.push_back(name);  // others change it, wherever it was made
  return node::MutationFor(type, name, nullptr, engagement, fields);
}

void Clients::AddCompanions(Site* site, Request* request) {
  for (const std::string& stream : world_.other_streams()) {
    if (random_.OneIn(3)) continue;
    const std::string method = kExchange + stream;
    request->pair.companions.push_back({.stream = stream, .mutations = {Begin(site, method, request)}, .method = method});
  }
}

// A record in one of the other streams, or one in main with companions.
void Clients::WriteStreams() {
  Site* site = AnySite();
  if (site == nullptr) return;
  Request request = NewRequest(site, Request::Kind::kPair, kExchange + std::string("Submit"));
  request.pair.actor = request.identity.path;
  request.pair.request_id = request.id;
  request.pair.method = request.method;
  const Digest digest = Sha256(request.id);
  std::copy_n(digest.begin(), request.pair.request_digest.size(), request.pair.request_digest.begin());
  request.pair.mutations = {Begin(site, request.method, &request)};
  if (random_.OneIn(2)) {
    request.pair.stream = random_.Of(world_.other_streams());
  } else {
    AddCompanions(site, &request);
  }
  Submit(std::move(request), site);
}

// Takes what some revision said from every site. One site is asked that may.
void Clients::Erase() {
  Site* site = AnySite();
  auto draft = Read(site, random_.OneIn(3) ? "countries" : "engagements");
  if (!draft) return;
  std::vector<Dot> revisions;
  const std::string prefix = draft->name + '\0';
  auto it = site->node->store().Iterate(storage::Cf::kRevisions, prefix, storage::PrefixEnd(prefix));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    Reader key(it->key().substr(prefix.size()));
    key.U64();
    const Dot dot = storage::ReadDot(&key);
    if (node::MayErase(world_.roster(), site->id, dot)) revisions.push_back(dot);
  }
  if (revisions.empty()) return;
  const Dot dot = random_.Of(revisions);
  auto bytes = site->node->ReadPayload(dot);
  if (!bytes.ok() || !bytes->has_value()) return;
  const Payload payload = *DecodePayload(**bytes);
  if (IsErasure(payload)) return;
  Request request = NewRequest(site, Request::Kind::kErase, "fairlead.v1.RecordService/EraseRevision");
  request.erases = dot;
  request.pair.actor = request.identity.path;
  request.pair.request_id = request.id;
  request.pair.method = request.method;
  const Digest digest = Sha256(request.id);
  std::copy_n(digest.begin(), request.pair.request_digest.size(), request.pair.request_digest.begin());
  request.pair.mutations = MutationsOf(node::ErasureOf(world_.roster(), payload, dot, "by chance", "the seed"));
  for (const Mutation& mutation : payload.mutations) request.basis[mutation.record];
  ++erased_;
  Submit(std::move(request), site);
}

void Clients::Repeat() {
  if (order_.empty()) return;
  const size_t recent = std::min<size_t>(order_.size(), 30);
  Site* site = AnySite();
  if (site != nullptr) Attempt(order_[order_.size() - 1 - random_.Below(recent)], site);
}

void Clients::Submit(Request request, Site* site) {
  const std::string id = request.id;
  if (request.message != nullptr && site->plant != nullptr && site->plant->request) {
    site->plant->request(*site->node, request.message.get());
  }
  order_.push_back(id);
  requests_.emplace(id, std::move(request));
  Attempt(id, site);
}

void Clients::Attempt(const std::string& id, Site* asked) {
  Request& request = requests_.at(id);
  if (asked->node == nullptr || world_.Defer(*asked, [this, id, asked] { Attempt(id, asked); })) return;
  Site* const site = world_.WriterFor(*asked);
  if (site == nullptr) {
    // As when any connection breaks: whoever asks again may do so anywhere.
    world_.trace().Add("{} asks {} for {} {}: nobody leads", request.identity.path, asked->label,
                       request.method.substr(request.method.find('/') + 1), id);
    ++request.attempts;
    ++request.open;
    ++refused_;
    return;
  }
  if (site != asked && world_.Defer(*site, [this, id, site] { Attempt(id, site); })) return;
  if (request.kind == Request::Kind::kErase) {
    // It is asked where the revision is and may be erased.
    auto audience = site->node->AudienceOf(request.erases);
    if (!audience.ok() || !audience->Includes(site->id) || !node::MayErase(world_.roster(), site->id, request.erases)) return;
  }
  const bool first = request.attempts++ == 0;
  world_.trace().Add("{} asks {} for {} {}", request.identity.path, site->label, request.method.substr(request.method.find('/') + 1), id);
  ++request.open;
  auto answer = [this, id, first, site](const absl::Status& status, const std::string& text) { Answer(id, first, site, status, text); };
  if (request.message == nullptr) {
    node::WriteRequest write = request.pair;
    if (site->plant != nullptr && site->plant->write) site->plant->write(&write);
    site->node->Write(std::move(write), [answer](const absl::StatusOr<node::WriteResult>& result) { answer(result.status(), ""); });
  } else {
    auto call = std::make_shared<rpc::Call>();
    call->method = request.method;
    call->identity = request.identity;
    if (site->plant != nullptr && site->plant->call) site->plant->call(*site->node, call.get());
    auto reply = [answer](const absl::StatusOr<rpc::MessagePtr>& result) {
      answer(result.status(), result.ok() ? (*result)->ShortDebugString() : "");
    };
    switch (request.kind) {
      case Request::Kind::kCreate:
        site->methods->Create(*request.type, call, *request.message, reply);
        break;
      case Request::Kind::kUpdate:
        site->methods->Update(*request.type, call, *request.message, reply);
        break;
      case Request::Kind::kWithdraw:
        site->methods->Withdraw(*request.type, call, *request.message, reply);
        break;
      default:
        site->methods->Move(*request.type, *request.transition, call, *request.message, reply);
    }
  }
  world_.ScheduleCommit(*site);
}

void Clients::Answer(const std::string& id, bool first, Site* site, const absl::Status& status, const std::string& text) {
  Request& request = requests_.at(id);
  const std::string reason = ReasonOf(status);
  world_.trace().Add("{} answers {}: {}", site->label, id, status.ok() ? "OK" : reason);
  if (status.ok()) {
    ++acknowledged_;
    request.acknowledged = true;
    // The first attempt's answer is the record right after the write.
    for (const auto& [record, written] : request.written) {
      if (first && request.message != nullptr && text.find(written) == std::string::npos) {
        world_.Fail(fmt::format("the answer to {} does not show what it wrote: {}", id, written));
      }
    }
    if (site->members != nullptr) ReadBack(request, *site);
    return;
  }
  ++refused_;
  if (IsRefusal(reason)) {
    --request.open;
  } else if (reason != "STORAGE_FAILED" && !(site->members != nullptr && reason.empty() && absl::IsUnavailable(status))) {
    world_.Fail(fmt::format("{} answers {} to {} {}: {}", site->label, reason, request.method, id, std::string(status.message())));
  }
}

void Clients::ReadBack(const Request& request, const Site& site) {
  const std::string key = node::RequestKey(request.identity.path, request.id);
  const auto held = site.node->store().Get(storage::Cf::kRequests, key);
  if (!held.ok() || !held->has_value()) return;  // it changes nothing, and was not written
  Site* other = random_.Of(site.members->machines());
  world_.schedule().After(random_.Between(absl::ZeroDuration(), absl::Seconds(3)), [this, other, key, token = site.node->Applied()] {
    if (other->node == nullptr || !other->node->Applied().Covers(token)) return;  // he waits
    const auto read = other->node->store().Get(storage::Cf::kRequests, key);
    if (read.ok() && !read->has_value()) world_.Fail(other->label + " says that it has what an answer spoke of, and lacks its write");
  });
}

}  // namespace fairlead::simulation
