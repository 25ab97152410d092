import { Select } from "@/components/fields";
import { SPANS, type SpanWord } from "./span-words";

const CHOICES = Object.entries(SPANS).map(([value, name]) => ({ value, name }));

interface SpanSelectProps {
  value: SpanWord | undefined;
  onChange: (span: SpanWord) => void;
}

/** Picks the time that a page looks at. */
export function SpanSelect({ value = "30d", onChange }: SpanSelectProps) {
  return <Select small label="Time" value={value} choices={CHOICES} onChange={(span) => onChange(span as SpanWord)} />;
}
