// Points of contact that answer at any hour.

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <map>

#include "fairlead/v1/contact.pb.h"
#include "server/records/checks.h"
#include "server/records/formats.h"
#include "server/records/release.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using v1::Contact;

constexpr size_t kDigitsMin = 7;
constexpr size_t kDigitsMax = 15;  // ITU-T E.164

const std::map<std::string_view, v1::ContactDuty>& Duties() {
  static const auto* const duties = new std::map<std::string_view, v1::ContactDuty>{
      {"ships", v1::CONTACT_DUTY_SHIPS}, {"ports", v1::CONTACT_DUTY_PORTS}, {"authority", v1::CONTACT_DUTY_AUTHORITY}};
  return *duties;
}

bool IsContactId(std::string_view id) {
  return id.size() > 3 && id[2] == '-' && kCountries.is_id(id.substr(0, 2)) && Duties().contains(id.substr(3));
}

const Collection kContacts = {"contacts", IsContactId, "a country's code, a hyphen, and ships, ports or authority"};

bool IsPhone(std::string_view text) {
  if (text.empty() || text[0] != '+') return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto digits = static_cast<size_t>(std::count_if(text.begin(), text.end(), is_digit));
  return digits >= kDigitsMin && digits <= kDigitsMax && is_digit(text.back()) &&
         std::all_of(text.begin() + 1, text.end(), [&](char c) { return is_digit(c) || c == ' ' || c == '-'; });
}

// What a nation states: all of it but how the record is kept.
std::string Statement(const Contact& contact) {
  Contact statement;
  statement.set_display_name(contact.display_name());
  statement.set_phone(contact.phone());
  statement.set_email(contact.email());
  statement.set_always_reachable(contact.always_reachable());
  return statement.SerializeAsString();
}

void Validate(const Contact& contact, const Contact* previous, Checks* checks) {
  checks->Reference("country", contact.country(), kCountries, Need::kRequired);
  checks->NotZero("duty", contact.duty(), "is required: what it is for");
  if (const std::string_view id = checks->OwnId(contact.name(), kContacts); !id.empty()) {
    if (contact.country() != fmt::format("{}/{}", kCountries.name, id.substr(0, 2)))
      checks->Fail(Reason::kFieldInvalid, "country", fmt::format("is not that of {}", contact.name()));
    if (contact.duty() != Duties().at(id.substr(3)))
      checks->Fail(Reason::kFieldInvalid, "duty", fmt::format("is not that of {}", contact.name()));
  }
  checks->Line("display_name", contact.display_name(), Need::kRequired, kShortCharsMax);
  checks->Code("phone", contact.phone(), IsPhone, "an international number of 7 to 15 digits such as \"+81 3 5253 8111\" (ITU-T E.164)");
  checks->Code("email", contact.email(), IsEmail, "an address of the form local@domain.tld (RFC 5321)");
  if (contact.phone().empty() && contact.email().empty())
    checks->Fail(Reason::kFieldRequired, "phone", "a number or an address is required");
  checks->Line("system", contact.system(), Need::kOptional, kShortCharsMax);
  // Its system dates each statement; nobody else can.
  const bool stated_anew =
      previous != nullptr && !google::protobuf::util::MessageDifferencer::Equals(contact.state_time(), previous->state_time());
  if (previous != nullptr && !previous->system().empty() && !stated_anew && Statement(*previous) != Statement(contact)) {
    checks->Fail(Reason::kFieldImmutable, "display_name", "the nation's own system states it: only the nation changes it");
  }
}

}  // namespace

RecordType ContactType() {
  RecordType type;
  type.number = 39;
  type.prototype = &Contact::default_instance();
  type.pattern = "contacts/{contact}";
  type.check_id = [](std::string_view id) { return CheckId(kContacts, id); };
  type.validate = ValidateChange<Contact>(Validate);
  type.indexes = {{.number = 390, .filter = "country", .values = On<Contact>([](const Contact& c) { return Values{c.country()}; })},
                  PublicIndex(391)};
  return type;
}

}  // namespace fairlead::records
