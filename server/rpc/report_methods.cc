#include "server/rpc/report_methods.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/errors.h"
#include "api/ids.h"
#include "api/report.h"
#include "server/node/materialise.h"
#include "server/records/figures.h"
#include "server/report/nation.h"
#include "server/report/period.h"
#include "server/report/staff.h"
#include "server/rpc/record_access.h"
#include "server/rpc/record_change.h"

namespace fairlead::rpc {
namespace {

// What a reader is called in a statement: "hq", "apac", "JP".
absl::StatusOr<std::string> ReaderOf(const node::Node& node, const v1::PrepareReportRequest& request) {
  if (!request.nation().empty()) return std::string(records::figures::IdOf(request.nation()));
  return report::SiteOfRegion(node.roster(), request.region());
}

}  // namespace

absl::StatusOr<v1::Report> ReportMethods::Make(const v1::PrepareReportRequest& request) const {
  if ((request.region() == v1::REGION_UNSPECIFIED) == request.nation().empty()) {
    return FieldError(Reason::kFieldRequired, "region", "exactly one of region and nation must be set: for whom it is");
  }
  if (!v1::Region_IsValid(request.region())) return FieldError(Reason::kFieldInvalid, "region", "is no region");
  const absl::Time now = node_->options().clock->Now();
  const absl::StatusOr<report::Period> period =
      report::PeriodOf(request.kind(), request.period(), absl::ToCivilDay(now, absl::UTCTimeZone()));
  if (!period.ok()) return period.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  if (!request.nation().empty() && StoreReader(*node_, *view).Find(request.nation()) == nullptr) {
    return FieldError(Reason::kReferenceNotFound, "nation", "there is no " + request.nation());
  }
  const absl::StatusOr<std::string> reader = ReaderOf(*node_, request);
  if (!reader.ok()) return reader.status();
  const absl::StatusOr<report::Content> content =
      request.nation().empty() ? report::StaffReport(*node_, *view, *period, request.region(), staleness_bound_)
                               : report::NationReport(*node_, *view, *pseudonyms_, *period, request.nation(), staleness_bound_);
  if (!content.ok()) return content.status();

  v1::Report made;
  made.set_kind(request.kind());
  made.set_period(request.period());
  made.set_region(request.region());
  made.set_nation(request.nation());
  made.set_marking(std::max(content->marking, v1::MARKING_OFFICIAL));
  made.set_html(report::ToHtml(content->document));
  made.set_csv(report::ToCsv(content->document));
  // Its readers' site, headquarters, and this one, from whose records it was made. No other site may hold all of those.
  std::set<std::string> sites = {node_->options().site};
  if (request.nation().empty()) sites.insert(*reader);
  if (const absl::StatusOr<std::string> hq = report::SiteOfRegion(node_->roster(), v1::REGION_HQ); hq.ok()) sites.insert(*hq);
  made.mutable_audience()->Assign(sites.begin(), sites.end());

  report::Statement statement;
  statement.kind = request.kind() == v1::REPORT_KIND_ANNUAL ? "annual" : "quarterly";
  statement.period = request.period();
  statement.reader = *reader;
  statement.made = absl::FromUnixSeconds(absl::ToUnixSeconds(now));
  statement.html = Sha256(made.html());
  statement.csv = Sha256(made.csv());
  made.set_statement(
      report::Sign(statement, node_->roster().FindLog(node_->own_log())->origin(), node_->options().log_keys.find(kMainStream)->second));
  return made;
}

absl::StatusOr<WriteMethods::Plan> ReportMethods::PlanReport(const Call& call, const v1::PrepareReportRequest& request) const {
  absl::StatusOr<WriteMethods::Plan> plan = writes_->Begin(call, request);
  if (!plan.ok()) return plan;
  const records::RecordType& type = *node_->registry().FindByMessage("Report");
  plan->name =
      type.collection() + "/" + CreatedRecordId(node_->roster().network(), call.identity.path, call.method, plan->write.request_id);
  if (plan->replay) return plan;
  absl::StatusOr<v1::Report> made = Make(request);
  if (!made.ok()) return made.status();
  const std::unique_ptr<storage::Snapshot> view = node_->store().NewSnapshot();
  if (absl::Status valid = CheckRecord(*node_, type, *made, nullptr, StoreReader(*node_, *view)); !valid.ok()) return valid;
  if (request.validate_only()) {
    plan->answer = std::make_unique<v1::Report>(*std::move(made));
    return plan;
  }
  made->set_name(plan->name);
  std::vector<const google::protobuf::FieldDescriptor*> written;
  for (const auto* field : FoldedFields(type)) {
    if (IsSet(*made, field)) written.push_back(field);
  }
  plan->write.mutations.push_back(node::MutationFor(type, plan->name, nullptr, *made, written));
  plan->write.expectations.push_back({plan->name, ""});
  return plan;
}

void ReportMethods::Register(Dispatcher* dispatcher) const {
  dispatcher->Handle("fairlead.v1.ReportService/PrepareReport",
                     [this](const std::shared_ptr<Call>& call, const google::protobuf::Message& request, const Reply& reply) {
                       const auto& prepare = static_cast<const v1::PrepareReportRequest&>(request);
                       writes_->Finish(*node_->registry().FindByMessage("Report"), call, PlanReport(*call, prepare), reply);
                     });
}

}  // namespace fairlead::rpc
