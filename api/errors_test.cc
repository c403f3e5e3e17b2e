#include "api/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "google/rpc/error_details.pb.h"

namespace fairlead {
namespace {

const absl::StatusCode kCodes[] = {
    absl::StatusCode::kCancelled,        absl::StatusCode::kUnknown,           absl::StatusCode::kInvalidArgument,
    absl::StatusCode::kDeadlineExceeded, absl::StatusCode::kNotFound,          absl::StatusCode::kAlreadyExists,
    absl::StatusCode::kPermissionDenied, absl::StatusCode::kResourceExhausted, absl::StatusCode::kFailedPrecondition,
    absl::StatusCode::kAborted,          absl::StatusCode::kOutOfRange,        absl::StatusCode::kUnimplemented,
    absl::StatusCode::kInternal,         absl::StatusCode::kUnavailable,       absl::StatusCode::kDataLoss,
    absl::StatusCode::kUnauthenticated};

TEST(Errors, EveryReasonHasANameAndACode) {
  std::set<std::string> names;
  int next = 0;
  for (Reason reason : AllReasons()) {
    EXPECT_EQ(static_cast<int>(reason), next++);
    const std::string name(ReasonName(reason));
    // google.rpc.ErrorInfo: at most 63 characters of this form.
    EXPECT_THAT(name, testing::MatchesRegex("[A-Z][A-Z0-9_]*[A-Z0-9]"));
    EXPECT_LE(name.size(), 63u);
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_NE(ReasonCode(reason), absl::StatusCode::kOk) << name;
    EXPECT_NE(ReasonCode(reason), absl::StatusCode::kUnknown) << name;
  }
  EXPECT_EQ(AllReasons().back(), Reason::kInternal);
}

TEST(Errors, TheTableSaysWhatTheHeaderSays) {
  EXPECT_EQ(ReasonName(Reason::kEtagMismatch), "ETAG_MISMATCH");
  EXPECT_EQ(ReasonCode(Reason::kEtagMismatch), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonCode(Reason::kRecordNotFound), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonCode(Reason::kRecordExists), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonCode(Reason::kNodeReadOnly), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonCode(Reason::kOverloaded), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonCode(Reason::kLogForked), absl::StatusCode::kDataLoss);
}

// Each reason, on its own and as a field error, over google.rpc.Status and over gRPC.
TEST(Errors, EveryReasonSurvivesTheWire) {
  for (Reason reason : AllReasons()) {
    SCOPED_TRACE(ReasonName(reason));
    for (const absl::Status& status : {Error(reason, "what went wrong: é", {{"record", "ports/JPYOK"}, {"site", "hq"}}),
                                       FieldError(reason, "engagement.start_date", "is after the end")}) {
      EXPECT_EQ(status.code(), ReasonCode(reason));
      EXPECT_EQ(ReasonOf(status), ReasonName(reason));
      EXPECT_EQ(FromProto(ToProto(status)), status);

      const grpc::Status wire = ToGrpc(status);
      EXPECT_EQ(static_cast<int>(wire.error_code()), static_cast<int>(ReasonCode(reason)));
      EXPECT_EQ(wire.error_message(), std::string(status.message()));
      EXPECT_EQ(FromGrpc(wire), status);

      google::rpc::Status details;
      ASSERT_TRUE(details.ParseFromString(wire.error_details()));
      google::rpc::ErrorInfo info;
      bool found = false;
      for (const auto& any : details.details()) found |= any.UnpackTo(&info);
      ASSERT_TRUE(found);
      EXPECT_EQ(info.domain(), "fairlead");
      EXPECT_EQ(info.reason(), std::string(ReasonName(reason)));
    }
  }
}

TEST(Errors, FieldErrorsNameEveryField) {
  absl::Status status = FieldError(Reason::kFieldRequired, "port.name", "is required");
  AddFieldViolation(&status, "port.country", "is no country");
  EXPECT_EQ(FieldOf(status), "port.name");

  google::rpc::BadRequest request;
  google::rpc::ErrorInfo info;
  const google::rpc::Status proto = ToProto(status);
  for (const auto& any : proto.details()) {
    any.UnpackTo(&request);
    any.UnpackTo(&info);
  }
  ASSERT_EQ(request.field_violations_size(), 2);
  EXPECT_EQ(request.field_violations(0).description(), "is required");
  EXPECT_EQ(request.field_violations(1).field(), "port.country");
  EXPECT_EQ(request.field_violations(1).description(), "is no country");
  EXPECT_EQ(info.metadata().at("field"), "port.name");
}

TEST(Errors, MetadataGoesIntoErrorInfo) {
  google::rpc::ErrorInfo info;
  const google::rpc::Status proto = ToProto(Error(Reason::kStateForbids, "closed", {{"state", "CLOSED"}}));
  ASSERT_EQ(proto.details_size(), 1);
  ASSERT_TRUE(proto.details(0).UnpackTo(&info));
  EXPECT_EQ(info.metadata().size(), 1u);
  EXPECT_EQ(info.metadata().at("state"), "CLOSED");
}

// No code leaves the program without a reason, but for those that gRPC gives by itself.
TEST(Errors, AStatusWithoutReasonBecomesInternal) {
  for (absl::StatusCode code : kCodes) {
    const grpc::Status wire = ToGrpc(absl::Status(code, "text"));
    const bool grpcs_own =
        code == absl::StatusCode::kCancelled || code == absl::StatusCode::kDeadlineExceeded || code == absl::StatusCode::kUnavailable;
    EXPECT_EQ(static_cast<int>(wire.error_code()), static_cast<int>(grpcs_own ? code : absl::StatusCode::kInternal));
    EXPECT_EQ(ReasonOf(FromGrpc(wire)), grpcs_own ? "" : "INTERNAL");
    EXPECT_EQ(wire.error_message(), "text");
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(FieldOf(absl::NotFoundError("x")), "");
}

TEST(Errors, DetailsOfOtherServersDoNoHarm) {
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone", "\xff\xff not a message"));
  EXPECT_EQ(status, absl::NotFoundError("gone"));

  // Code and message are gRPC's, whatever the details claim.
  google::rpc::Status other = ToProto(Error(Reason::kInternal, "inner"));
  const absl::Status mixed = FromGrpc(grpc::Status(grpc::StatusCode::ABORTED, "outer", other.SerializeAsString()));
  EXPECT_EQ(mixed.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(mixed.message(), "outer");

  google::rpc::ErrorInfo foreign;
  foreign.set_domain("example.com");
  foreign.set_reason("OTHER");
  google::rpc::Status proto;
  proto.set_code(5);
  proto.add_details()->PackFrom(foreign);
  EXPECT_EQ(ReasonOf(FromProto(proto)), "");
}

TEST(Errors, EqualErrorsAreEqualStatuses) {
  std::map<std::string, std::string> metadata;
  for (char c = 'a'; c <= 'z'; ++c) metadata[std::string(1, c)] = "value";
  EXPECT_EQ(Error(Reason::kInternal, "x", metadata), Error(Reason::kInternal, "x", metadata));
  const auto bytes = [] { return ToProto(FieldError(Reason::kFieldInvalid, "port.name", "x")).SerializeAsString(); };
  EXPECT_EQ(bytes(), bytes());
}

TEST(Errors, TheTimeToTryAgainAndMetadataGoOverTheWire) {
  const absl::Status sent =
      RetryAfter(Error(Reason::kLimitReached, "slower", {{"limit", "limits.partner.burst"}}), absl::Milliseconds(1250));
  const absl::Status heard = FromGrpc(ToGrpc(sent));
  EXPECT_EQ(heard, sent);
  EXPECT_EQ(RetryDelayOf(heard), absl::Milliseconds(1250));
  EXPECT_EQ(MetadataOf(heard, "limit"), "limits.partner.burst");
  EXPECT_EQ(MetadataOf(heard, "absent"), "");
  EXPECT_EQ(MetadataOf(absl::InternalError("without"), "limit"), "");
  EXPECT_EQ(RetryDelayOf(Error(Reason::kOverloaded, "")), absl::ZeroDuration());
}

}  // namespace
}  // namespace fairlead
