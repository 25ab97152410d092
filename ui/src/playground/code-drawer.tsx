import { CodeBlock } from "@/components/code-block";
import Sheet from "@/components/sheet";
import { Tabs } from "@/components/tabs";
import { useStore } from "@/lib/external-store";
import { useStatus } from "@/lib/queries";
import { type SnippetLanguage, snippet } from "@/lib/snippets";
import { codeOpen } from "@/shell/overlays";
import { isRunning, requestFor, type Turn } from "./conversation";
import { session } from "./session";

const LANGUAGES: { value: SnippetLanguage; name: string; title: string; colours: string }[] = [
  { value: "curl", name: "curl", title: "Shell", colours: "shell" },
  { value: "python", name: "Python", title: "pip install openai", colours: "python" },
  { value: "javascript", name: "JavaScript", title: "npm install openai", colours: "javascript" },
];

/** The request as a program: the one that is about to be sent, or else the one that was sent last. */
export default function CodeDrawer({ model }: { model: string }) {
  const open = useStore(codeOpen);
  return (
    <Sheet
      open={open}
      onOpenChange={codeOpen.set}
      title="The same request as code"
      description="Your SDK stays; only the base URL changes."
    >
      <Snippets model={model} />
    </Sheet>
  );
}

function Snippets({ model }: { model: string }) {
  const { tuning, turns, draft } = useStore(session.store);
  const { data: status } = useStatus();
  const request = requestFor(model, tuning, asked(turns, draft));
  const target = { baseUrl: location.origin, keyed: status?.auth_required ?? false };
  const tabs = LANGUAGES.map(({ value, name, title, colours }) => ({
    value,
    name,
    content: <CodeBlock code={snippet(value, request, target)} language={colours} title={title} wrap />,
  }));
  return <Tabs label="Language" tabs={tabs} />;
}

const EXAMPLE: Turn = { role: "user", id: "example", text: "Say hello in one sentence." };

/** The turns as the next request has them; without a draft, as the last one had them. */
export function asked(turns: Turn[], draft: string): Turn[] {
  if (draft.trim()) return [...turns.filter((turn) => !isRunning(turn)), { role: "user", id: "draft", text: draft }];
  const lastPrompt = turns.findLastIndex((turn) => turn.role === "user");
  return lastPrompt < 0 ? [EXAMPLE] : turns.slice(0, lastPrompt + 1);
}
