import { Search } from "lucide-react";
import { type FormEvent, useState } from "react";

interface SearchFieldProps {
  label: string;
  value: string;
  onSearch: (text: string) => void;
}

/** Looks for one thing by its name: on Enter, and for all again once it is empty. */
export function SearchField({ label, value, onSearch }: SearchFieldProps) {
  const [text, setText] = useState(value);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSearch(text.trim());
  };
  return (
    <search>
      <form onSubmit={submit} className="field flex h-8.5 items-center gap-2 pl-2.5">
        <Search className="size-3.5 shrink-0 text-ink-3" aria-hidden="true" />
        <input
          type="search"
          aria-label={label}
          placeholder={label}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            if (event.target.value === "") onSearch("");
          }}
          spellCheck={false}
          autoComplete="off"
          className="w-full min-w-0 bg-transparent pr-2 text-body max-sm:text-[1rem]"
        />
      </form>
    </search>
  );
}
