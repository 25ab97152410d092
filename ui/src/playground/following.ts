/** All that it takes to read an answer. It is loaded when the first one is written for, not with the page. */
export { answerOf, streams } from "@/lib/chat";
export { changeBy } from "./growth";
export { Watch } from "./watch";
