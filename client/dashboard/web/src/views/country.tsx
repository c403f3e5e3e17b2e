// One country's story: who covers it, what was done there, how its record came to be.

import { call } from "../api";
import { calendarDate, count, label, regionName } from "../format";
import { useLoaded } from "../load";
import type { Engagement, LiaisonOfficer } from "../messages";
import { Empty, Panel, Scroll, Shown } from "../parts/parts";
import { Revisions } from "./revisions";

const engagementsShown = 100;

export function CountryStory(props: { code: string; name: string; region: string; ports: number | undefined; onClose: () => void }) {
  const country = `countries/${props.code}`;
  const engagements = useLoaded(
    () => call<{ engagements: Engagement[]; nextPageToken: string }>("EngagementService/ListEngagements", { country, pageSize: engagementsShown }),
    `engagements ${country}`,
    ["engagements"],
  );
  const officers = useLoaded(() => call<{ liaisonOfficers: LiaisonOfficer[] }>("ReferenceService/ListLiaisonOfficers", { country }), `officers ${country}`, ["liaisonOfficers"]);
  return (
    <Panel
      title={props.name}
      note={
        <>
          {props.code} · region {regionName(props.region || "REGION_UNSPECIFIED")}
          {props.ports !== undefined && ` · ${count(props.ports)} ports`}{" "}
          <button type="button" class="link" onClick={props.onClose}>
            Close
          </button>
        </>
      }
    >
      <h3>Liaison officers</h3>
      <Shown loaded={officers}>
        {({ data }) =>
          data.liaisonOfficers.length === 0 ? (
            <Empty>No officer’s portfolio holds this country.</Empty>
          ) : (
            <ul class="plain">
              {data.liaisonOfficers.map((officer) => (
                <li key={officer.name}>
                  {officer.displayName} <span class="note">{regionName(officer.region)}</span>
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
      <h3>Engagements</h3>
      <Shown loaded={engagements}>
        {({ data }) =>
          data.engagements.length === 0 ? (
            <Empty>None is recorded.</Empty>
          ) : (
            <Scroll label={`Engagements of ${props.name}`} tall>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Date</th>
                    <th scope="col">Kind</th>
                    <th scope="col">State</th>
                    <th scope="col">Title</th>
                  </tr>
                </thead>
                <tbody>
                  {data.engagements.map((each) => (
                    <tr key={each.name}>
                      <td class="time">{calendarDate(each.startDate)}</td>
                      <td>{label(each.kind, "ENGAGEMENT_KIND")}</td>
                      <td>{label(each.state, "ENGAGEMENT_STATE")}</td>
                      <td class="text">{each.title}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {data.nextPageToken && <p class="note">The first {count(engagementsShown)}.</p>}
            </Scroll>
          )
        }
      </Shown>
      <h3>Revisions of the country’s record</h3>
      <Revisions record={country} />
    </Panel>
  );
}
