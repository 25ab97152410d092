import type { Token } from "marked";
import { memo, useMemo } from "react";
import { parseMarkdown, renderBlock } from "@/lib/markdown";
import { CodeBlock } from "./code-block";

interface BlockProps {
  raw: string;
  token: Token;
}

/** One block of an answer, drawn again only when its own text has grown. */
const Block = memo(
  function Block({ token }: BlockProps) {
    const block = renderBlock(token);
    if (block.kind === "code") return <CodeBlock code={block.code} language={block.language} />;
    // biome-ignore lint/security/noDangerouslySetInnerHtml: `renderBlock` escapes all markup and purifies the rest
    return <div dangerouslySetInnerHTML={{ __html: block.html }} />;
  },
  (before, after) => before.raw === after.raw,
);

interface MarkdownViewProps {
  text: string;
  writing?: boolean;
}

export default function MarkdownView({ text, writing = false }: MarkdownViewProps) {
  const blocks = useMemo(() => parseMarkdown(text), [text]);
  return (
    <div className="prose" data-writing={writing || undefined}>
      {blocks.map(({ raw, token }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an answer only grows at its end
        <Block key={index} raw={raw} token={token} />
      ))}
    </div>
  );
}
