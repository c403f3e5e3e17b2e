// The order of visits, each score split into its factors and each factor led back to its records; and what other weights would make of it.

import { useState } from "preact/hooks";
import { type Answer, call, listAll } from "../api";
import { calendarDate, count, idOf, percent } from "../format";
import { useKept, useLoaded, useSettled } from "../load";
import type { Country, PriorityWeights, VisitPriorities, VisitPriority } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { FactorBar, FactorDetails, factorName, factorNames, factorTexts } from "./factors";
import { type RegionChoice, RegionFilter, regionRequest } from "./regions";
import type { ViewProps } from "./registry";
import { sameWeights, Weights } from "./weights";

const counted = ["arrivals", "trafficFigures", "scheduleKPorts", "conditionsOfEntry", "assessments", "observations", "countries"];
const method = "PriorityService/ListVisitPriorities";

export function Priority({ path }: ViewProps) {
  const [region, setRegion] = useState<RegionChoice>("all");
  const [weights, setWeights] = useState<PriorityWeights>();
  const tried = useSettled(weights);
  const countries = useLoaded(() => listAll<Country>("ReferenceService/ListCountries", "countries"), "countries", ["countries"]);
  const configured = useLoaded(() => call<VisitPriorities>(method, regionRequest(region)), `priorities ${region}`, counted);
  const trial = useLoaded(
    () => (tried ? call<VisitPriorities>(method, { ...regionRequest(region), weights: tried }) : Promise.resolve(undefined)),
    `priorities ${region} ${JSON.stringify(tried)}`,
    counted,
  );
  const answered = useKept<Answer<VisitPriorities> | undefined>(tried ? trial : configured);
  const names = new Map(countries.data?.records.map((country) => [country.name, country.displayName]));
  const own = configured.data?.data;
  const change = (to: PriorityWeights) => setWeights(own?.weights && sameWeights(to, own.weights) ? undefined : to);
  // What the answer is of may be behind what is tried.
  const used = answered.data?.data.weights;
  const isTrial = Boolean(own?.weights && used && !sameWeights(own.weights, used));
  const configuredRanks = isTrial && own ? new Map(own.priorities.map((each) => [each.country, each.rank])) : undefined;
  const asking = tried && used && !answered.error && !sameWeights(tried, used);
  // No order stands below the refusal of another one.
  const shown = answered.error ? { ...answered, data: undefined } : answered;
  return (
    <>
      <div class="bar">
        <RegionFilter name="priority-region" value={region} onChange={setRegion} />
      </div>
      <Panel title="Weights" note="Only their proportion matters. Other weights are tried here, and stored nowhere.">
        <Shown loaded={configured}>
          {({ data }) => (data.weights ? <Weights configured={data.weights} tried={weights ?? data.weights} onChange={change} onReset={() => setWeights(undefined)} /> : <Empty>The node gave no weights.</Empty>)}
        </Shown>
      </Panel>
      <Panel title={isTrial ? "Order of visits with the weights tried" : "Order of visits"} note={own && <Basis priorities={own} />}>
        {own && <p class="remark">{own.dataNote}</p>}
        {asking && <p class="note">Asking the node for these weights…</p>}
        <Shown loaded={shown}>
          {(answer) =>
            !answer || answer.data.priorities.length === 0 ? (
              <Empty>No country has been recorded.</Empty>
            ) : (
              <Ranking priorities={answer.data.priorities} nameOf={(country) => names.get(country) ?? idOf(country)} configuredRanks={configuredRanks} opened={path} />
            )
          }
        </Shown>
      </Panel>
    </>
  );
}

function Basis({ priorities }: { priorities: VisitPriorities }) {
  return (
    <>
      as of {calendarDate(priorities.asOf)}, by arrivals and figures from {calendarDate(priorities.startDate)} to {calendarDate(priorities.endDate)}; ranks among all countries
    </>
  );
}

function Ranking(props: { priorities: VisitPriority[]; nameOf: (country: string) => string; configuredRanks: Map<string, number> | undefined; opened: string }) {
  const ranked = props.priorities.filter((each) => each.rank > 0);
  const unknown = props.priorities.length - ranked.length;
  const [open, setOpen] = useState(props.opened.toUpperCase());
  const columns = 6 + factorNames.length + (props.configuredRanks ? 1 : 0);
  if (ranked.length === 0) return <Empty>Nothing is known of any of the {count(unknown)} countries: no arrival, figure, condition, determination or observation is recorded.</Empty>;
  return (
    <>
      <Scroll label="Order of visits" tall>
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                Rank
              </th>
              {props.configuredRanks && (
                <th scope="col" class="number">
                  Configured
                </th>
              )}
              <th scope="col">Country</th>
              <th scope="col" class="number">
                Score
              </th>
              <th scope="col">Factors, of 100</th>
              {factorNames.map((name) => (
                <th scope="col" class="number" key={name}>
                  <span class={`key ${name}`} aria-hidden="true" /> {factorTexts[name]}
                </th>
              ))}
              <th scope="col" class="number">
                Weights with data
              </th>
              <th scope="col">Visit to be offered</th>
            </tr>
          </thead>
          <tbody>
            {ranked.map((each) => {
              const code = idOf(each.country);
              const before = props.configuredRanks?.get(each.country);
              return [
                <tr key={code} data-country={code}>
                  <td class="number">{each.rank}</td>
                  {props.configuredRanks && <td class="number">{before ? `${before}${before === each.rank ? "" : before > each.rank ? " ↑" : " ↓"}` : "–"}</td>}
                  <th scope="row">
                    <button type="button" class="link" aria-expanded={open === code} onClick={() => setOpen(open === code ? "" : code)}>
                      {props.nameOf(each.country)}
                    </button>
                  </th>
                  <td class="number">{percent(each.scoreMillionths)}</td>
                  <td>
                    <FactorBar priority={each} />
                  </td>
                  {factorNames.map((name) => {
                    const factor = each.factors.find((one) => factorName(one) === name);
                    return (
                      <td class="number" key={name}>
                        {!factor || factor.missing ? <span class="missing">no data</span> : percent(factor.contributionMillionths)}
                      </td>
                    );
                  })}
                  <td class="number">{percent(each.coverageMillionths)} %</td>
                  <td>{each.eligible ? "yes" : "no last port on record"}</td>
                </tr>,
                open === code && (
                  <tr key={`${code} factors`}>
                    <td colSpan={columns}>
                      <FactorDetails priority={each} />
                      <p>
                        <a href={`#/world/${code}`}>Story of {props.nameOf(each.country)}</a>
                      </p>
                    </td>
                  </tr>
                ),
              ];
            })}
          </tbody>
        </table>
      </Scroll>
      {unknown > 0 && <p class="note">Of {count(unknown)} more countries nothing is known: they have no score, and no rank.</p>}
    </>
  );
}
