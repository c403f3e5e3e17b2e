// The frame: who is signed in, the views, and what is wrong with the network wherever one looks.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CallError, closeSession, openSession, type Session } from "./api";
import { clock, span } from "./format";
import { live, useLive, useLiveValue, useNow } from "./live";
import { alarms } from "./network";
import { Failure } from "./parts/parts";
import "./style.css";
import { views } from "./views/registry";

const themeKey = "fairlead-theme";
const alarmsShown = 4;

function useRoute(): { view: string; path: string } {
  const read = () => {
    const [view = "", ...rest] = location.hash.replace(/^#\//, "").split("/");
    try {
      return { view, path: decodeURIComponent(rest.join("/")) };
    } catch {
      return { view, path: "" }; // Typed by hand: no address of this page.
    }
  };
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const change = () => setRoute(read());
    addEventListener("hashchange", change);
    change(); // It may have changed since the first rendering, before anybody listened.
    return () => removeEventListener("hashchange", change);
  }, []);
  return route;
}

function Theme() {
  const [theme, setTheme] = useState(localStorage.getItem(themeKey) ?? "system");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(themeKey, theme);
  }, [theme]);
  return (
    <label class="theme">
      <span class="hidden">Colours</span>
      <select value={theme} onChange={(event) => setTheme(event.currentTarget.value)}>
        <option value="system">System colours</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}

// What is wrong, named. Said to screen readers when it changes, not with every second.
function Alarms({ session }: { session: Session }) {
  const { nodes, heard, heardSince, refusal, feed } = useLive();
  const now = useNow(200);
  const found = alarms(session.sites, nodes, now);
  if (heard === "lost") found.unshift(refusal ? `the gateway tells of no changes: ${refusal}` : `the gateway has not been heard since ${clock(heardSince)}`);
  if (feed?.state === "lost") found.unshift(`the change feed of ${feed.site} has ended; another node is asked`);
  if (feed?.state === "denied") found.unshift("you may not follow changes");
  return (
    <div role="status" class={found.length > 0 ? "alarms bad" : "alarms"}>
      {found.length > 0 ? (
        <>
          <strong>{found.length === 1 ? "1 alarm" : `${found.length} alarms`}</strong>
          <ul>
            {found.slice(0, alarmsShown).map((text) => (
              <li key={text}>{text}</li>
            ))}
            {found.length > alarmsShown && (
              <li>
                <a href="#/network">and {found.length - alarmsShown} more</a>
              </li>
            )}
          </ul>
        </>
      ) : nodes.size < session.sites.length ? (
        <span>{heard === "connecting" ? "Connecting to the gateway…" : `${nodes.size} of ${session.sites.length} sites heard`}</span>
      ) : (
        <span>All {session.sites.length} sites answer, all links are up.</span>
      )}
    </div>
  );
}

function Clock({ expireTime }: { expireTime: string }) {
  const now = useNow(1000);
  const left = (new Date(expireTime).getTime() - now) / 1000;
  return (
    <span class="clock">
      <time>{new Date(now).toISOString().slice(0, 19).replace("T", " ")}Z</time>
      {left < 900 && <span class="note"> session ends in {span(Math.max(0, left))}</span>}
    </span>
  );
}

function Frame({ session }: { session: Session }) {
  const route = useRoute();
  const expired = useLiveValue((from) => from.expired);
  const [closed, setClosed] = useState(false);
  const view = views.find((each) => each.id === route.view) ?? views[0]!;
  useEffect(() => {
    document.title = `${view.title} – Fairlead`;
  }, [view]);
  if (expired || closed) return <SignedOut error={new CallError("UNAUTHENTICATED", "", closed ? "You have signed out." : "Your session has ended.")} />;
  const Component = view.component;
  const signOut = () => closeSession().then(() => setClosed(true), () => setClosed(true));
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>
        Skip to the view
      </a>
      <header class="top">
        <p class="name">
          Fairlead <span class="note">{session.network}</span>
        </p>
        <nav aria-label="Views">
          {views.map((each) => (
            <a key={each.id} href={`#/${each.id}`} aria-current={each === view ? "page" : undefined}>
              {each.title}
            </a>
          ))}
        </nav>
        <div class="who">
          <Clock expireTime={session.expireTime} />
          <span class="viewer" title="Who you are to the nodes">
            {session.viewer}
          </span>
          <Theme />
          <button type="button" onClick={signOut}>
            Sign out
          </button>
        </div>
      </header>
      <Alarms session={session} />
      <main id="main" tabIndex={-1} class={view.id}>
        <h1 class="hidden">{view.title}</h1>
        <Component session={session} path={route.path} />
      </main>
    </>
  );
}

function SignedOut({ error }: { error: CallError }) {
  return (
    <main class="alone">
      <h1>Fairlead</h1>
      <Failure error={error} />
      <p>
        <a href="/">Load the page again</a>, or open a new link from the gateway.
      </p>
    </main>
  );
}

const root = document.getElementById("app")!;
document.documentElement.dataset.theme = localStorage.getItem(themeKey) ?? "system";
openSession().then(
  (session) => {
    live.start();
    render(<Frame session={session} />, root);
  },
  (error: unknown) => render(<SignedOut error={error instanceof CallError ? error : new CallError("INTERNAL", "", String(error))} />, root),
);
