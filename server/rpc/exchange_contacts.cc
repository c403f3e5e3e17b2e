#include "server/rpc/exchange_contacts.h"

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "fairlead/v1/contact.pb.h"
#include "server/exchange/projection.h"
#include "server/records/release.h"
#include "server/rpc/wire_forms.h"

namespace fairlead::rpc {
namespace {

using exchange::Disclosure;
using google::protobuf::Message;

constexpr std::string_view kUnitedStates = "US";

struct Duty {
  v1::PointOfContactDuty outside;
  v1::ContactDuty inside;
  std::string_view id;
};
constexpr Duty kDuties[] = {{v1::POINT_OF_CONTACT_DUTY_SHIPS, v1::CONTACT_DUTY_SHIPS, "ships"},
                            {v1::POINT_OF_CONTACT_DUTY_PORTS, v1::CONTACT_DUTY_PORTS, "ports"},
                            {v1::POINT_OF_CONTACT_DUTY_AUTHORITY, v1::CONTACT_DUTY_AUTHORITY, "authority"}};

std::string NameOf(std::string_view alpha2, const Duty& duty) { return fmt::format("contacts/{}-{}", alpha2, duty.id); }

}  // namespace

void ExchangeContacts::Register(Dispatcher* dispatcher) const {
  const std::string service = "fairlead.v1.ExchangeService/";
  dispatcher->Handle(service + "StatePointOfContact", [this](const std::shared_ptr<Call>& call, const Message& request, Reply reply) {
    State(call, static_cast<const v1::StatePointOfContactRequest&>(request), std::move(reply));
  });
  dispatcher->Handle(service + "GetContactSheet", [this](const std::shared_ptr<Call>& call, const Message&, Reply reply) {
    std::vector<Delivered> sent;
    absl::StatusOr<v1::ContactSheet> sheet = GetSheet(*call, &sent);
    if (!sheet.ok()) return reply(sheet.status());
    door_.Deliver(*call, std::move(sent), std::make_unique<v1::ContactSheet>(*std::move(sheet)), std::move(reply));
  });
}

void ExchangeContacts::State(const std::shared_ptr<Call>& call, const v1::StatePointOfContactRequest& request, Reply reply) const {
  const records::RecordType& type = door_.TypeOf("Contact");
  const v1::PointOfContact& stated = request.contact();
  const Duty* duty = nullptr;
  for (const Duty& known : kDuties) {
    if (known.outside == stated.duty()) duty = &known;
  }
  if (duty == nullptr) {
    const bool none = stated.duty() == v1::POINT_OF_CONTACT_DUTY_UNSPECIFIED;
    return reply(FieldError(none ? Reason::kFieldRequired : Reason::kFieldInvalid, "contact.duty",
                            none ? "is required: what it is for" : "is no duty of a point of contact"));
  }
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  absl::StatusOr<WriteMethods::Plan> plan = door_.writes().Begin(*call, request);
  if (plan.ok()) plan->name = NameOf(call->identity.scope, *duty);
  if (plan.ok() && !plan->replay) {
    absl::StatusOr<std::optional<Loaded>> read = Load(door_.node(), *view, type, plan->name);
    if (!read.ok()) return reply(read.status());
    auto next = std::make_unique<v1::Contact>();
    if (read->has_value()) next->CopyFrom(*(*read)->message);
    next->set_country(NationOfCaller(*call));
    next->set_duty(duty->inside);
    next->set_display_name(stated.display_name());
    next->set_phone(stated.phone());
    next->set_email(stated.email());
    next->set_always_reachable(stated.always_reachable());
    next->set_withdrawn(false);
    next->set_system(call->identity.path);
    using google::protobuf::util::MessageDifferencer;
    if (read->has_value() && MessageDifferencer::Equals(*next, *(*read)->message)) {
      plan->answer = std::move(next);
    } else {
      const google::protobuf::Timestamp before = next->state_time();
      SetTimestamp(door_.node().options().clock->Now(), next->mutable_state_time());
      // Another time than before, whatever the clock says: it tells a statement from an edit.
      if (MessageDifferencer::Equals(before, next->state_time())) next->mutable_state_time()->set_nanos(before.nanos() ^ 1);
      const std::string name = plan->name;
      plan = read->has_value() ? door_.PlanChange(*view, type, **std::move(read), std::move(next),
                                                  {"country", "duty", "display_name", "phone", "email", "always_reachable", "withdrawn",
                                                   "system", "state_time"},
                                                  Under("contact"), *std::move(plan))
                               : door_.PlanNew(type, name, std::move(next), Under("contact"), *std::move(plan));
    }
  }
  const auto narrate = [](const Message& record) -> absl::StatusOr<MessagePtr> {
    auto out = std::make_unique<v1::PointOfContact>();
    exchange::ProjectContact(static_cast<const v1::Contact&>(record), out.get());
    return out;
  };
  door_.Finish(type, call, std::move(plan), "", narrate, std::move(reply));
}

absl::StatusOr<v1::ContactSheet> ExchangeContacts::GetSheet(const Call& call, std::vector<Delivered>* sent) const {
  const std::unique_ptr<storage::Snapshot> view = door_.node().store().NewSnapshot();
  const absl::StatusOr<Disclosure> disclosure = door_.Disclose(*view, call);
  if (!disclosure.ok()) return disclosure.status();
  v1::ContactSheet sheet;
  for (const Duty& duty : kDuties) {
    const absl::StatusOr<std::optional<Loaded>> own = Load(door_.node(), *view, door_.TypeOf("Contact"), NameOf(call.identity.scope, duty));
    if (!own.ok()) return own.status();
    if (own->has_value()) {
      const auto& contact = static_cast<const v1::Contact&>(*(*own)->message);
      // What staff entered of the nation is theirs.
      const bool stated = !contact.withdrawn() && records::NationOfSystem(contact.system()) == NationOfCaller(call);
      if (stated) exchange::ProjectContact(contact, sheet.add_own());
    }
    absl::StatusOr<std::optional<v1::ReleasedRecord>> shown = disclosure->Read(records::SubjectOf(NameOf(kUnitedStates, duty)));
    if (!shown.ok()) return shown.status();
    if (!shown->has_value()) continue;
    v1::PointOfContact& contact = *sheet.add_united_states();
    contact = (*shown)->contact();
    sent->push_back({(*shown)->name(), (*shown)->etag(), (*shown)->marking(), contact.GetTypeName(), contact.SerializeAsString()});
  }
  return sheet;
}

}  // namespace fairlead::rpc
