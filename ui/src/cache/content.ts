type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listIn(value: unknown, name: string): unknown[] {
  const found = isObject(value) ? value[name] : undefined;
  return Array.isArray(found) ? found : [];
}

/** The text of parts as any dialect writes them; thoughts, calls of tools and whatever else are left out. */
function textIn(content: unknown): string {
  if (typeof content === "string") return content;
  const parts = Array.isArray(content) ? content : [...listIn(content, "parts"), ...listIn(content, "content")];
  return parts
    .filter((part): part is Json & { text: string } => isObject(part) && typeof part.text === "string")
    .filter(({ type, thought }) => thought !== true && (type === undefined || String(type).endsWith("text")))
    .map(({ text }) => text)
    .join("");
}

/** What an answer says to its reader: one text for each of its choices, none where it is vectors or the like. */
export function textsOf(content: unknown): string[] {
  const choices = [...listIn(content, "choices"), ...listIn(content, "candidates")];
  const told = choices.map((choice) => {
    if (!isObject(choice)) return "";
    if (typeof choice.text === "string") return choice.text;
    const message = choice.message ?? choice.content;
    return isObject(message) && typeof message.content === "string" ? message.content : textIn(message);
  });
  const whole = [textIn(listIn(content, "content")), ...listIn(content, "output").map(textIn)];
  return [...told, ...whole].filter((text) => text !== "");
}
