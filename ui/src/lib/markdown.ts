import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token, type Tokens } from "marked";

/** A piece of an answer: code is drawn by a component of ours, all else is safe HTML. */
export type MarkdownBlock = { kind: "code"; language: string; code: string } | { kind: "html"; html: string };

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string) => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);

/**
 * Markup in an answer is text that the model wrote, and is shown as such: nothing is swallowed, nothing is executed.
 * Pictures would be fetched from wherever the model says, so they are shown as links.
 */
const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html: ({ text }) => escaped(text),
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
  },
});

/** The second wall: even if the first had a hole, only these pass. */
const ALLOWED: Config = {
  ALLOWED_TAGS:
    "p br strong em del a code pre ul ol li blockquote hr h1 h2 h3 h4 h5 h6 table thead tbody tr th td input".split(
      " ",
    ),
  ALLOWED_ATTR: ["href", "title", "start", "align", "type", "checked", "disabled", "rel", "target"],
  // The address pattern below would else be held against these too.
  ADD_URI_SAFE_ATTR: ["align", "start", "type", "checked", "disabled", "rel", "target"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};

let hooked = false;

function purify(html: string): string {
  if (!hooked) {
    DOMPurify.addHook("afterSanitizeAttributes", hardenElement);
    hooked = true;
  }
  return DOMPurify.sanitize(html, ALLOWED);
}

function hardenElement(element: Element): void {
  if (element.tagName === "A") {
    element.setAttribute("target", "_blank");
    element.setAttribute("rel", "noopener noreferrer nofollow");
  }
  // The only fields Markdown knows are the boxes of task lists, and those are pictures of a state.
  if (element.tagName === "INPUT") {
    if (element.getAttribute("type") === "checkbox") element.setAttribute("disabled", "");
    else element.remove();
  }
}

/** Parts Markdown into its top-level blocks; `raw` identifies a block while the text behind it still grows. */
export function parseMarkdown(text: string): { raw: string; token: Token }[] {
  return marked
    .lexer(text)
    .filter((token) => token.type !== "space" && token.type !== "def")
    .map((token) => ({ raw: token.raw, token }));
}

export function renderBlock(token: Token): MarkdownBlock {
  if (token.type === "code") {
    const { lang = "", text } = token as Tokens.Code;
    return { kind: "code", language: lang.split(/\s/)[0] ?? "", code: text };
  }
  return { kind: "html", html: purify(marked.parser([token])) };
}
