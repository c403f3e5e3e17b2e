// Traffic from one country to one US port in one month.

#include "fairlead/v1/arrival.pb.h"
#include "server/records/checks.h"
#include "server/records/figures.h"
#include "server/records/formats.h"
#include "server/records/types.h"

namespace fairlead::records {
namespace {

const Collection kTrafficFigures = {"trafficFigures", IsFigureId, "1 to 100 lower-case letters, digits and hyphens"};

void Validate(const v1::TrafficFigure& figure, Checks* checks) {
  checks->OwnId(figure.name(), kTrafficFigures);
  checks->NotZero("source_kind", figure.source_kind(), "is required: what it counts");
  checks->Reference("country", figure.country(), kCountries, Need::kRequired);
  checks->Line("source_country", figure.source_country(), Need::kOptional, kShortCharsMax);
  checks->Line("place", figure.place(), Need::kRequired, kShortCharsMax);
  if (figure.month().empty()) checks->Fail(Reason::kFieldRequired, "month", "is required");
  checks->Code("month", figure.month(), IsMonth, "a year and a month, such as 2017-12");
  if (!figure.has_quantity_thousand_barrels() && !figure.has_shipments()) {
    checks->Fail(Reason::kFieldRequired, "shipments", "is required, or quantity_thousand_barrels: leave out what is not known");
  }
  if (figure.quantity_thousand_barrels() < 0) checks->Fail(Reason::kFieldInvalid, "quantity_thousand_barrels", "must not be negative");
  if (figure.shipments() < 0) checks->Fail(Reason::kFieldInvalid, "shipments", "must not be negative");
}

// A sum of nothing is no figure: what is absent contributes no key.
std::vector<Contribution> Contribute(const v1::TrafficFigure& figure) {
  std::vector<Contribution> out;
  if (figure.has_shipments()) {
    out.push_back({figures::TrafficShipments(figure.source_kind(), figure.month(), figure.country()), figure.shipments()});
  }
  if (figure.has_quantity_thousand_barrels()) {
    out.push_back({figures::TrafficBarrels(figure.source_kind(), figure.month(), figure.country()), figure.quantity_thousand_barrels()});
  }
  return out;
}

}  // namespace

RecordType TrafficFigureType() {
  using Figure = v1::TrafficFigure;
  RecordType type;
  type.number = 34;
  type.prototype = &Figure::default_instance();
  type.pattern = "trafficFigures/{traffic_figure}";
  type.check_id = [](std::string_view id) { return CheckId(kTrafficFigures, id); };
  type.validate = ValidateWith<Figure>(Validate);
  type.indexes = {
      {.number = kTrafficByCountry,
       .filter = "country",
       .values = On<Figure>([](const Figure& f) { return Values{f.country()}; }),
       .sort = On<Figure>([](const Figure& f) { return f.month(); })},
      {.number = 341, .filter = "month", .values = On<Figure>([](const Figure& f) { return Values{f.month()}; })},
  };
  type.contribute = On<Figure>(Contribute);
  return type;
}

}  // namespace fairlead::records
