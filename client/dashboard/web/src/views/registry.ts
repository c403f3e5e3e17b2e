// The views of the page, in the order of the navigation. A new one is a module and a line here.

import type { JSX } from "preact";
import type { Session } from "../api";
import { Activity } from "./activity";
import { Figures } from "./figures";
import { Network } from "./network";
import { Priority } from "./priority";
import { Work } from "./work";
import { World } from "./world";

export interface ViewProps {
  session: Session;
  // What follows the view's name in the address: "JP" of "#/world/JP".
  path: string;
}

export interface View {
  id: string;
  title: string;
  component: (props: ViewProps) => JSX.Element;
}

export const views: View[] = [
  { id: "world", title: "World", component: World },
  { id: "figures", title: "Figures", component: Figures },
  { id: "priority", title: "Priority", component: Priority },
  { id: "network", title: "Network", component: Network },
  { id: "work", title: "Work", component: Work },
  { id: "activity", title: "Activity", component: Activity },
];
