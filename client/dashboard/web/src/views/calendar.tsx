// What takes place on which days, month by month, and where one officer would have to be in two places.

import { useState } from "preact/hooks";
import { call, listAll } from "../api";
import { calendarDate, count, dateOf, firstDayOf, idOf, label, lastDayOf, regionName } from "../format";
import { useLoaded } from "../load";
import type { CalendarEntry, Clash, LiaisonOfficer } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { RecordName } from "../parts/record";
import { type RegionChoice, RegionFilter, regionRequest } from "./regions";

const entriesMax = 2_000;
const planned = ["engagements", "reciprocalVisits", "trainingSessions", "liaisonOfficers"];

interface Month {
  first: string;
  last: string;
  days: number;
}

// "2026-05" with its days.
function monthOf(month: string): Month {
  const { year, month: number } = dateOf(month);
  const days = new Date(Date.UTC(year, number, 0)).getUTCDate();
  return { first: `${month}-01`, last: `${month}-${days}`, days };
}

function monthsAfter(month: string, months: number): string {
  const { year, month: number } = dateOf(month);
  return new Date(Date.UTC(year, number - 1 + months, 1)).toISOString().slice(0, 7);
}

const clashingRecords = (clashes: Clash[]) => new Set(clashes.flatMap((clash) => [clash.first, clash.second]));

// Text of the days, from the first to the last as exactly as they are known.
function daysText(entry: { startDate?: CalendarEntry["startDate"]; endDate?: CalendarEntry["endDate"] }): string {
  const first = calendarDate(entry.startDate);
  const last = entry.endDate ? calendarDate(entry.endDate) : first;
  return first === last ? first : `${first} – ${last}`;
}

export function Calendar() {
  const thisMonth = new Date().toISOString().slice(0, 7);
  const [month, setMonth] = useState(thisMonth);
  const [region, setRegion] = useState<RegionChoice>("all");
  const [officer, setOfficer] = useState("");
  const { first, last } = monthOf(month);
  const days = { startDate: dateOf(first), endDate: dateOf(last), ...(officer ? { officer } : {}) };
  const key = `${month} ${officer}`;
  const officers = useLoaded(() => listAll<LiaisonOfficer>("ReferenceService/ListLiaisonOfficers", "liaisonOfficers"), "officers", ["liaisonOfficers"]);
  const entries = useLoaded(
    () => listAll<CalendarEntry>("EngagementService/ListCalendarEntries", "entries", { ...days, ...regionRequest(region) }, entriesMax),
    `calendar ${key} ${region}`,
    planned,
  );
  const clashes = useLoaded(() => call<{ clashes: Clash[]; truncated: boolean }>("EngagementService/ListClashes", days), `clashes ${key}`, planned);
  const named = new Map(officers.data?.records.map((each) => [each.name, each.displayName]));
  const officerText = (name: string) => named.get(name) || idOf(name);
  const clashing = clashingRecords(clashes.data?.data.clashes ?? []);
  return (
    <>
      <div class="bar">
        <div class="steps">
          <button type="button" onClick={() => setMonth(monthsAfter(month, -1))}>
            Month before
          </button>
          <label>
            <span class="hidden">Month</span>
            <input type="month" value={month} required onInput={(event) => /^\d{4}-\d\d$/.test(event.currentTarget.value) && setMonth(event.currentTarget.value)} />
          </label>
          <button type="button" onClick={() => setMonth(monthsAfter(month, 1))}>
            Month after
          </button>
          <button type="button" disabled={month === thisMonth} onClick={() => setMonth(thisMonth)}>
            This month
          </button>
        </div>
        <RegionFilter name="calendar-region" value={region} onChange={setRegion} />
        <label class="search">
          <span>Officer</span>
          <select value={officer} onChange={(event) => setOfficer(event.currentTarget.value)}>
            <option value="">all</option>
            {officers.data?.records.map((each) => (
              <option key={each.name} value={each.name}>
                {each.displayName}
              </option>
            ))}
          </select>
        </label>
      </div>
      {officers.error && <Shown loaded={officers}>{() => <></>}</Shown>}
      <Panel title={`Clashes in ${month}`} note="One officer, two things that share days; drafts count for nothing. Of all regions.">
        <Shown loaded={clashes}>{({ data }) => <Clashes clashes={data.clashes} truncated={data.truncated} officerText={officerText} />}</Shown>
      </Panel>
      <Panel title={`Calendar of ${month}`} note="What was cancelled, refused or declined is not in it. A date without its day may be any of its days.">
        <Shown loaded={entries}>
          {({ records, more }) =>
            records.length === 0 ? (
              <Empty>Nothing is planned or recorded in these days.</Empty>
            ) : (
              <Scroll label="Calendar" tall>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Title</th>
                      <th scope="col">Days</th>
                      <th scope="col">
                        <DayScale month={monthOf(month)} />
                      </th>
                      <th scope="col">Kind</th>
                      <th scope="col">State</th>
                      <th scope="col">Region</th>
                      <th scope="col">Countries</th>
                      <th scope="col">Officers</th>
                    </tr>
                  </thead>
                  <tbody>
                    {records.map((entry) => (
                      <tr key={entry.record}>
                        <th scope="row" class="text">
                          <RecordName name={entry.record} text={entry.title} />
                          {clashing.has(entry.record) && <span class="tag bad">clash</span>}
                        </th>
                        <td class="time">{daysText(entry)}</td>
                        <td>
                          <DayBar entry={entry} month={monthOf(month)} clashing={clashing.has(entry.record)} />
                        </td>
                        <td>{label(entry.kind, "ENGAGEMENT_KIND")}</td>
                        <td>{entry.state.toLowerCase().replaceAll("_", " ")}</td>
                        <td>{regionName(entry.region)}</td>
                        <td>
                          {entry.countries.map((country, i) => (
                            <span key={country}>
                              {i > 0 && ", "}
                              <a href={`#/world/${idOf(country)}`}>{idOf(country)}</a>
                            </span>
                          ))}
                        </td>
                        <td class="text">{entry.officers.map(officerText).join(", ") || "–"}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                {more && <p class="note">The first {count(records.length)}.</p>}
              </Scroll>
            )
          }
        </Shown>
      </Panel>
    </>
  );
}

function Clashes({ clashes, truncated, officerText }: { clashes: Clash[]; truncated: boolean; officerText: (name: string) => string }) {
  if (clashes.length === 0) return <Empty>No officer’s days clash.</Empty>;
  return (
    <Scroll label="Clashes">
      <table>
        <thead>
          <tr>
            <th scope="col">Officer</th>
            <th scope="col">Shared days</th>
            <th scope="col">First</th>
            <th scope="col">Other</th>
            <th scope="col">Certain</th>
          </tr>
        </thead>
        <tbody>
          {clashes.map((clash) => (
            <tr key={`${clash.officer} ${clash.first} ${clash.second}`}>
              <th scope="row">{officerText(clash.officer)}</th>
              <td class="time">{daysText(clash)}</td>
              <td class="text">
                <RecordName name={clash.first} text={clash.firstTitle} />
              </td>
              <td class="text">
                <RecordName name={clash.second} text={clash.secondTitle} />
              </td>
              <td>{clash.uncertain ? "not certain: a date lacks its day" : "yes"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {truncated && <p class="note">The first {count(clashes.length)}.</p>}
    </Scroll>
  );
}

const dayWidth = 7;
const barHeight = 12;

function DayScale({ month }: { month: Month }) {
  return (
    <svg class="days" viewBox={`0 0 ${month.days * dayWidth} ${barHeight}`} width={month.days * dayWidth} height={barHeight} role="img" aria-label="Days of the month">
      {[1, 8, 15, 22, 29]
        .filter((day) => day <= month.days)
        .map((day) => (
          <text key={day} x={(day - 1) * dayWidth} y={barHeight - 2}>
            {day}
          </text>
        ))}
    </svg>
  );
}

// The days of the month that it takes, or may take, where a date lacks its day.
function DayBar({ entry, month, clashing }: { entry: CalendarEntry; month: Month; clashing: boolean }) {
  const from = firstDayOf(entry.startDate) ?? month.first;
  const to = lastDayOf(entry.endDate ?? entry.startDate) ?? month.last;
  const dayIn = (day: string, otherwise: number) => (day.slice(0, 7) === month.first.slice(0, 7) ? Number(day.slice(8)) : otherwise);
  const firstDay = dayIn(from, 1);
  const lastDay = dayIn(to, month.days);
  const exact = Boolean(entry.startDate?.day && (!entry.endDate || entry.endDate.day));
  return (
    <svg class="days" viewBox={`0 0 ${month.days * dayWidth} ${barHeight}`} width={month.days * dayWidth} height={barHeight} aria-hidden="true">
      <line x1={0} x2={month.days * dayWidth} y1={barHeight - 0.5} y2={barHeight - 0.5} />
      <rect class={`${exact ? "exact" : "inexact"} ${clashing ? "clash" : ""}`} x={(firstDay - 1) * dayWidth + 0.5} y={2} width={(lastDay - firstDay + 1) * dayWidth - 1} height={barHeight - 5} />
    </svg>
  );
}
