import { Monitor, Moon, Sun } from "lucide-react";
import { useStore } from "@/lib/external-store";
import { chooseTheme, type Theme, theme } from "@/lib/theme";

const CHOICES: { value: Theme; name: string; Icon: typeof Sun }[] = [
  { value: "light", name: "Light theme", Icon: Sun },
  { value: "system", name: "Theme of the system", Icon: Monitor },
  { value: "dark", name: "Dark theme", Icon: Moon },
];

export function ThemeSwitch() {
  const chosen = useStore(theme);
  return (
    <fieldset className="inline-flex rounded-m border border-line bg-floor p-0.5">
      <legend className="sr-only">Theme</legend>
      {CHOICES.map(({ value, name, Icon }) => (
        <button
          key={value}
          type="button"
          aria-label={name}
          data-hint={name}
          aria-pressed={chosen === value}
          onClick={() => chooseTheme(value)}
          className="flex h-6 w-7 items-center justify-center rounded-s text-ink-3 transition-colors hover:text-ink aria-pressed:bg-raised aria-pressed:text-ink aria-pressed:shadow-1"
        >
          <Icon className="size-3.5" aria-hidden="true" />
        </button>
      ))}
    </fieldset>
  );
}
