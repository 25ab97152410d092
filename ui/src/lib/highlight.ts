/** A stretch of code and what it is; plain code has no kind. */
export interface CodeSpan {
  kind: "string" | "word" | "number" | "remark" | undefined;
  text: string;
}

const WORDS: Record<string, string> = {
  python:
    "and as async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return True try while with yield match case",
  javascript:
    "async await break case catch class const continue default delete do else export extends false finally for from function if import in instanceof interface let new null of return static super switch this throw true try type typeof undefined var void while yield",
  shell: "curl if then else fi for do done while case esac export echo cd sudo function return in npm pip uv narthex",
  json: "true false null",
  sql: "select from where and or not insert into values update set delete create table index join left right inner on group by order limit as null is in having distinct union primary key",
  rust: "as async await break const continue crate else enum false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while",
  go: "break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var nil true false",
  c: "auto bool break case catch char class const continue default delete do double else enum extern false float for goto if inline int long namespace new nullptr private protected public return short signed sizeof static struct switch template this throw true try typedef typename union unsigned using virtual void volatile while",
};

const ALIASES: Record<string, string> = {
  py: "python",
  js: "javascript",
  jsx: "javascript",
  ts: "javascript",
  tsx: "javascript",
  typescript: "javascript",
  bash: "shell",
  sh: "shell",
  zsh: "shell",
  console: "shell",
  curl: "shell",
  rs: "rust",
  cpp: "c",
  "c++": "c",
  java: "c",
  csharp: "c",
};

const LONGEST_CODE = 20_000;

/** Parts code into spans for colouring. A reader's aid, not a parser; unknown languages and long texts stay plain. */
export function highlight(code: string, language: string): CodeSpan[] {
  const name = ALIASES[language.toLowerCase()] ?? language.toLowerCase();
  const words = WORDS[name];
  if (!words || code.length > LONGEST_CODE) return [{ kind: undefined, text: code }];
  const known = new Set((name === "sql" ? `${words} ${words.toUpperCase()}` : words).split(" "));
  const spans: CodeSpan[] = [];
  let end = 0;
  for (const match of code.matchAll(tokens(name))) {
    const span = spanOf(match, known);
    if (!span) continue;
    if (match.index > end) spans.push({ kind: undefined, text: code.slice(end, match.index) });
    spans.push(span);
    end = match.index + match[0].length;
  }
  if (end < code.length) spans.push({ kind: undefined, text: code.slice(end) });
  return spans;
}

function spanOf(match: RegExpMatchArray, words: Set<string>): CodeSpan | undefined {
  const [text, remark, string, number] = match;
  if (remark !== undefined) return { kind: "remark", text };
  if (string !== undefined) return { kind: "string", text };
  if (number !== undefined) return { kind: "number", text };
  return words.has(text) ? { kind: "word", text } : undefined;
}

function tokens(language: string): RegExp {
  const remark: Record<string, string> = {
    python: "#.*",
    shell: "(?<![\\w$])#.*",
    sql: "--.*",
    json: "(?!)",
  };
  const strings =
    language === "python"
      ? `"""[\\s\\S]*?"""|'''[\\s\\S]*?'''|"(?:\\\\.|[^"\\\\\\n])*"|'(?:\\\\.|[^'\\\\\\n])*'`
      : language === "shell"
        ? `"(?:\\\\.|[^"\\\\])*"|'[^']*'`
        : `"(?:\\\\.|[^"\\\\\\n])*"|'(?:\\\\.|[^'\\\\\\n])*'|\`(?:\\\\.|[^\`\\\\])*\``;
  const number = "\\b\\d[\\d_]*(?:\\.\\d+)?(?:e[+-]?\\d+)?\\b";
  return new RegExp(
    `(${remark[language] ?? "//.*|/\\*[\\s\\S]*?\\*/"})|(${strings})|(${number})|[A-Za-z_$][\\w$]*`,
    "g",
  );
}
