#include <gmock/gmock.h>

#include "fairlead/v1/contact.pb.h"
#include "server/records/record_testing.h"
#include "server/records/release.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Contact;

Contact Valid() {
  Contact contact;
  contact.set_name("contacts/JP-ships");
  contact.set_country("countries/JP");
  contact.set_duty(v1::CONTACT_DUTY_SHIPS);
  contact.set_display_name("Operations Centre");
  contact.set_phone("+81 3 5253-8111");
  return contact;
}

TEST(ContactType, Rules) {
  ExpectRefused<Contact>(ContactType(), Valid(),
                         {
                             {"id", [](Contact* c) { c->set_name("contacts/JP-planes"); }, "name", Reason::kFieldInvalid},
                             {"another country", [](Contact* c) { c->set_country("countries/KR"); }, "country", Reason::kFieldInvalid},
                             {"another duty", [](Contact* c) { c->set_duty(v1::CONTACT_DUTY_PORTS); }, "duty", Reason::kFieldInvalid},
                             {"no office", [](Contact* c) { c->clear_display_name(); }, "display_name", Reason::kFieldRequired},
                             {"no way to reach it", [](Contact* c) { c->clear_phone(); }, "phone", Reason::kFieldRequired},
                             {"national number", [](Contact* c) { c->set_phone("03 5253 8111"); }, "phone", Reason::kFieldInvalid},
                             {"short number", [](Contact* c) { c->set_phone("+81 110"); }, "phone", Reason::kFieldInvalid},
                             {"words", [](Contact* c) { c->set_phone("+81 3 call us 5253811"); }, "phone", Reason::kFieldInvalid},
                             {"e-mail", [](Contact* c) { c->set_email("ops"); }, "email", Reason::kFieldInvalid},
                         });
  ExpectAccepted<Contact>(ContactType(), Valid(), {{"an address instead", [](Contact* c) {
                                                      c->clear_phone();
                                                      c->set_email("ops@example.jp");
                                                    }}});
}

TEST(ContactType, WhatANationStatedItAloneChanges) {
  const World world;
  Contact stated = Valid();
  stated.set_system("partner/JP/registry");
  stated.mutable_state_time()->set_seconds(1'800'000'000);
  Contact next = stated;
  next.set_phone("+81 3 5253-8112");
  EXPECT_EQ(FieldOf(ContactType().validate(next, &stated, world)), "display_name");
  next.mutable_state_time()->set_nanos(1);
  EXPECT_EQ(ContactType().validate(next, &stated, world), absl::OkStatus());
  next = stated;
  next.set_marking(v1::MARKING_SENSITIVE);  // how it is kept is no part of the statement
  EXPECT_EQ(ContactType().validate(next, &stated, world), absl::OkStatus());
}

TEST(ContactType, ThePublicOnesOfTheUnitedStatesAreForEveryNation) {
  Contact contact = Valid();
  contact.set_marking(v1::MARKING_PUBLIC);
  EXPECT_THAT(PublicTo(contact), IsEmpty());
  contact.set_country("countries/US");
  EXPECT_THAT(PublicTo(contact), ElementsAre(""));
  contact.set_marking(v1::MARKING_OFFICIAL);
  EXPECT_THAT(PublicTo(contact), IsEmpty());
}

TEST(AskersTest, FollowFromTheSystemsCertificate) {
  EXPECT_EQ(NationOfSystem("partner/JP/registry"), "countries/JP");
  for (const char* other : {"", "officer/apac/watch", "partner/JP", "hq/partner/JP/x"}) EXPECT_EQ(NationOfSystem(other), "") << other;
  EXPECT_THAT(Askers("partner/JP/registry", false), ElementsAre("countries/JP"));
  EXPECT_THAT(Askers("partner/JP/registry", true), ElementsAre("countries/JP", Undecided("countries/JP")));
  EXPECT_THAT(Askers("", true), IsEmpty());
}

}  // namespace
}  // namespace fairlead::records
