#include "server/records/attachment.h"

#include <gmock/gmock.h>

#include "fairlead/v1/attachment.pb.h"
#include "server/records/record_testing.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Attachment;

constexpr char kSubject[] = "engagements/guarded";

// The world, and an engagement that is guarded as its test says.
class Guarded : public World {
 public:
  std::unique_ptr<google::protobuf::Message> Find(std::string_view name) const override {
    if (name == kSubject) return std::make_unique<v1::Engagement>(subject);
    if (name == "attachments/other") return std::make_unique<Attachment>();
    return World::Find(name);
  }
  v1::Engagement subject;
};

Attachment Valid() {
  Attachment attachment;
  attachment.set_name("attachments/one");
  attachment.set_subject(kSubject);
  attachment.set_title("The gate at night");
  attachment.set_file_name("gate.jpg");
  attachment.set_media_type("image/jpeg");
  attachment.set_size_bytes(1000);
  attachment.set_sha256(std::string(64, 'a'));
  attachment.set_marking(v1::MARKING_OFFICIAL);
  return attachment;
}

TEST(Attachment, EachRuleNamesItsField) {
  Guarded world;
  const RecordType type = AttachmentType();
  ASSERT_EQ(type.validate(Valid(), nullptr, world), absl::OkStatus());
  const std::vector<Broken<Attachment>> cases = {
      {"of nothing", [](Attachment* a) { a->clear_subject(); }, "subject", Reason::kFieldRequired},
      {"of what is not there", [](Attachment* a) { a->set_subject("engagements/none"); }, "subject", Reason::kReferenceNotFound},
      {"of an attachment", [](Attachment* a) { a->set_subject("attachments/other"); }, "subject", Reason::kFieldInvalid},
      {"no name", [](Attachment* a) { a->clear_file_name(); }, "file_name", Reason::kFieldRequired},
      {"a path", [](Attachment* a) { a->set_file_name("../gate.jpg"); }, "file_name", Reason::kFieldInvalid},
      {"a foreign path", [](Attachment* a) { a->set_file_name("C:\\gate.jpg"); }, "file_name", Reason::kFieldInvalid},
      {"a folder", [](Attachment* a) { a->set_file_name(".."); }, "file_name", Reason::kFieldInvalid},
      {"a long title", [](Attachment* a) { a->set_title(std::string(201, 'x')); }, "title", Reason::kFieldTooLarge},
      {"no type", [](Attachment* a) { a->clear_media_type(); }, "media_type", Reason::kFieldRequired},
      {"a program", [](Attachment* a) { a->set_media_type("application/x-sh"); }, "media_type", Reason::kFieldInvalid},
      {"no bytes", [](Attachment* a) { a->set_size_bytes(0); }, "size_bytes", Reason::kFieldInvalid},
      {"less than none", [](Attachment* a) { a->set_size_bytes(-1); }, "size_bytes", Reason::kFieldInvalid},
      {"too many", [](Attachment* a) { a->set_size_bytes(kContentBytesMax + 1); }, "size_bytes", Reason::kFieldInvalid},
      {"no hash", [](Attachment* a) { a->clear_sha256(); }, "sha256", Reason::kFieldInvalid},
      {"a hash in capitals", [](Attachment* a) { a->set_sha256(std::string(64, 'A')); }, "sha256", Reason::kFieldInvalid},
  };
  for (const Broken<Attachment>& broken : cases) {
    SCOPED_TRACE(broken.what);
    Attachment record = Valid();
    broken.change(&record);
    const absl::Status status = type.validate(record, nullptr, world);
    EXPECT_EQ(ReasonOf(status), ReasonName(broken.reason)) << status;
    EXPECT_EQ(FieldOf(status), broken.field) << status;
  }
  world.subject.set_withdrawn(true);
  EXPECT_EQ(FieldOf(type.validate(Valid(), nullptr, world)), "subject");
  EXPECT_EQ(type.validate(Valid(), std::make_unique<Attachment>(Valid()).get(), world), absl::OkStatus());  // it had been there
}

TEST(Attachment, AllButTheTitleIsFixed) {
  Guarded world;
  const RecordType type = AttachmentType();
  const Attachment before = Valid();
  const std::vector<std::pair<std::string, std::function<void(Attachment*)>>> changes = {
      {"subject", [](Attachment* a) { a->set_subject("engagements/first"); }},
      {"file_name", [](Attachment* a) { a->set_file_name("other.jpg"); }},
      {"media_type", [](Attachment* a) { a->set_media_type("image/png"); }},
      {"size_bytes", [](Attachment* a) { a->set_size_bytes(1001); }},
      {"sha256", [](Attachment* a) { a->set_sha256(std::string(64, 'b')); }},
  };
  for (const auto& [field, change] : changes) {
    Attachment next = before;
    change(&next);
    const absl::Status status = type.validate(next, &before, world);
    EXPECT_EQ(ReasonOf(status), "FIELD_IMMUTABLE") << status;
    EXPECT_EQ(FieldOf(status), field);
  }
  Attachment renamed = before;
  renamed.set_title("Another title");
  EXPECT_EQ(type.validate(renamed, &before, world), absl::OkStatus());
}

TEST(Attachment, TheSubjectGuardsIt) {
  Guarded world;
  const RecordType type = AttachmentType();
  world.subject.set_marking(v1::MARKING_SENSITIVE);
  world.subject.add_audience("apac");
  world.subject.add_audience("hq");
  EXPECT_EQ(FieldOf(type.validate(Valid(), nullptr, world)), "marking");

  Attachment made = Valid();
  type.complete(&made, nullptr, world, absl::UnixEpoch());
  EXPECT_EQ(made.marking(), v1::MARKING_SENSITIVE);
  EXPECT_THAT(made.audience(), ElementsAre("apac", "hq"));
  EXPECT_EQ(type.validate(made, nullptr, world), absl::OkStatus());

  Attachment wider = made;
  wider.add_audience("csa");
  type.complete(&wider, nullptr, world, absl::UnixEpoch());
  EXPECT_EQ(FieldOf(type.validate(wider, nullptr, world)), "audience");
  Attachment narrower = made;
  narrower.clear_audience();
  narrower.add_audience("apac");
  type.complete(&narrower, nullptr, world, absl::UnixEpoch());
  EXPECT_THAT(narrower.audience(), ElementsAre("apac"));
  EXPECT_EQ(type.validate(narrower, nullptr, world), absl::OkStatus());

  // The subject was narrowed since: the next write narrows the attachment, and never opens it.
  world.subject.clear_audience();
  world.subject.add_audience("hq");
  Attachment later = made;
  type.complete(&later, &made, world, absl::UnixEpoch());
  EXPECT_THAT(later.audience(), ElementsAre("hq"));
  Attachment elsewhere = narrower;
  type.complete(&elsewhere, &narrower, world, absl::UnixEpoch());
  EXPECT_EQ(FieldOf(type.validate(elsewhere, &narrower, world)), "audience");
}

TEST(Attachment, IsListedBySubjectAndBytes) {
  const RecordType type = AttachmentType();
  EXPECT_THAT(ValuesOf(type, "subject", Valid()), ElementsAre(kSubject));
  EXPECT_EQ(SortOf(type, "subject", Valid()), "gate.jpg");
  EXPECT_THAT(ValuesOf(type, "sha256", Valid()), ElementsAre(std::string(64, 'a')));
  EXPECT_THAT(ValuesOf(type, "sha256", Attachment()), IsEmpty());  // erased
}

}  // namespace
}  // namespace fairlead::records
