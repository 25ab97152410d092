import { Download } from "lucide-react";
import { useState } from "react";
import { callForFile, factsOf } from "@/control/call";
import { saveFile } from "@/lib/files";
import { Button } from "./button";
import { withCode } from "./failure-card";

interface ExportButtonProps {
  /** Where the file is had, and how it is called if the server does not say. */
  path: string;
  name: string;
  children: string;
}

/** Saves what is shown as a file for other programs. */
export function ExportButton({ path, name, children }: ExportButtonProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const take = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      saveFile(await callForFile(path, name));
    } catch (error) {
      setProblem(factsOf(error).message);
    }
    setBusy(false);
  };
  return (
    <div className="flex flex-col items-end gap-1">
      <Button disabled={busy} onClick={() => void take()}>
        <Download className="size-4" aria-hidden="true" />
        {children}
      </Button>
      <p role="status" className="max-w-80 text-right text-small text-bad-text empty:hidden">
        {problem && withCode(problem)}
      </p>
    </div>
  );
}
