// What waits for a person. A new kind of work is a module and a line here.

import type { JSX } from "preact";
import { Calendar } from "./calendar";
import { Conflicts } from "./conflicts";
import { Engagements } from "./engagements";
import { OpaqueEntries } from "./opaque";
import { Overdue } from "./overdue";
import { Proposals } from "./proposals";
import type { ViewProps } from "./registry";
import { Releases } from "./releases";

const kinds: { id: string; title: string; component: (props: ViewProps) => JSX.Element }[] = [
  { id: "conflicts", title: "Conflicts", component: Conflicts },
  { id: "releases", title: "Releases", component: Releases },
  { id: "proposals", title: "Proposals", component: Proposals },
  { id: "overdue", title: "Overdue", component: Overdue },
  { id: "calendar", title: "Calendar", component: Calendar },
  { id: "engagements", title: "Engagements", component: Engagements },
  { id: "opaque", title: "Opaque entries", component: OpaqueEntries },
];

export function Work(props: ViewProps) {
  const [id = "", ...rest] = props.path.split("/");
  const kind = kinds.find((each) => each.id === id) ?? kinds[0]!;
  const Component = kind.component;
  return (
    <>
      <nav class="bar tabs" aria-label="Kinds of work">
        {kinds.map((each) => (
          <a key={each.id} href={`#/work/${each.id}`} aria-current={each === kind ? "page" : undefined}>
            {each.title}
          </a>
        ))}
      </nav>
      <Component session={props.session} path={rest.join("/")} />
    </>
  );
}
