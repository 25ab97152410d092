import type { ChatRequest } from "./chat";

/** Where and how a snippet calls the server. */
export interface Target {
  baseUrl: string;
  /** Whether the server demands a key. */
  keyed: boolean;
}

export type SnippetLanguage = "curl" | "python" | "javascript";

/** Writes the exact request as a program that can be pasted and run. */
export function snippet(language: SnippetLanguage, request: ChatRequest, target: Target): string {
  switch (language) {
    case "curl":
      return curlSnippet(request, target);
    case "python":
      return pythonSnippet(request, target);
    case "javascript":
      return javascriptSnippet(request, target);
  }
}

function curlSnippet(request: ChatRequest, { baseUrl, keyed }: Target): string {
  const lines = [
    `curl -N ${baseUrl}/v1/chat/completions`,
    ...(keyed ? [`-H "Authorization: Bearer $NARTHEX_API_KEY"`] : []),
    `-H "Content-Type: application/json"`,
    `-d ${shellQuoted(compactJson(request))}`,
  ];
  return lines.join(" \\\n  ");
}

/** Quotes for POSIX shells, where nothing but the single quote itself has a meaning inside single quotes. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function pythonSnippet(request: ChatRequest, { baseUrl, keyed }: Target): string {
  const key = keyed ? `os.environ["NARTHEX_API_KEY"]` : `"unused"`;
  const fields = Object.entries(request).map(([name, value]) => `    ${name}=${pythonLiteral(value, 1)},`);
  return `${keyed ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url="${baseUrl}/v1", api_key=${key})
stream = client.chat.completions.create(
${fields.join("\n")}
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
`;
}

/** Writes a JSON value as a Python literal, one level of `indent` being four blanks. */
export function pythonLiteral(value: unknown, indent = 0): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return pythonString(value);
  if (typeof value !== "object") return String(value);
  const inner = " ".repeat((indent + 1) * 4);
  const outer = " ".repeat(indent * 4);
  const lines = Array.isArray(value)
    ? value.map((item) => `${inner}${pythonLiteral(item, indent + 1)},`)
    : Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${pythonLiteral(item, indent + 1)},`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (lines.length === 0) return `${open}${close}`;
  const short = `${open}${lines.map((line) => line.trim().slice(0, -1)).join(", ")}${close}`;
  const fits = short.length + indent * 4 <= 72 && !short.includes("\n");
  return fits ? short : `${open}\n${lines.join("\n")}\n${outer}${close}`;
}

/** JSON's escapes are Python's too, but for a pair of surrogates, which JSON text holds as the character itself. */
function pythonString(text: string): string {
  return JSON.stringify(text);
}

function javascriptSnippet(request: ChatRequest, { baseUrl, keyed }: Target): string {
  const key = keyed ? "process.env.NARTHEX_API_KEY" : `"unused"`;
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${baseUrl}/v1", apiKey: ${key} });
const stream = await client.chat.completions.create(${javascriptLiteral(request)});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
`;
}

/** Writes JSON with what fits on a line kept on it, as people do. */
export function compactJson(value: unknown, indent = 0): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const short = oneLine(value);
  if (short.length + indent * 2 <= WIDEST) return short;
  const parts = Array.isArray(value)
    ? value.map((item) => compactJson(item, indent + 1))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${compactJson(item, indent + 1)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const inner = "  ".repeat(indent + 1);
  return `${open}\n${parts.map((part) => `${inner}${part}`).join(",\n")}\n${"  ".repeat(indent)}${close}`;
}

const WIDEST = 64;

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${oneLine(item)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

/** The same with plain keys, as in JavaScript. Strings, matched first, pass unless they are a key. */
export function javascriptLiteral(value: unknown): string {
  return compactJson(value).replace(/"((?:\\.|[^"\\])*)"(:?)/g, (text, name: string, colon: string) =>
    colon && /^[A-Za-z_$][\w$]*$/.test(name) ? `${name}:` : text,
  );
}
