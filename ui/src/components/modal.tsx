import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { FormEvent, ReactNode } from "react";
import { factsOf } from "@/control/call";
import { Button, IconButton } from "./button";
import { FailureCard } from "./failure-card";

const BACKDROP = "fade-in fixed inset-0 z-30 bg-veil";
const POPUP =
  "fade-in fixed top-1/2 left-1/2 z-40 flex max-h-[min(46rem,92dvh)] w-[calc(100vw-1.5rem)] -translate-x-1/2 -translate-y-1/2 flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-3 data-[starting-style]:scale-[0.985]";

interface ModalProps {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: string;
  /** Whether it stays until it is closed by its buttons: what is in it is shown once. */
  sticky?: boolean;
  wide?: boolean;
  children: ReactNode;
}

/** A window over the page. */
export function Modal({ open, onClose, title, description, sticky = false, wide = false, children }: ModalProps) {
  return (
    <Dialog.Root
      open={open}
      disablePointerDismissal={sticky}
      onOpenChange={(opened, details) => {
        if (!opened && !(sticky && details.reason === "escape-key")) onClose();
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className={BACKDROP} />
        <Dialog.Popup className={`${POPUP} ${wide ? "sm:w-[40rem]" : "sm:w-[30rem]"}`}>
          <header className="flex shrink-0 items-start justify-between gap-4 pt-5 pr-4 pb-3 pl-6">
            <div>
              <Dialog.Title className="text-title font-semibold tracking-[-0.012em]">{title}</Dialog.Title>
              {description && (
                <Dialog.Description className="mt-0.5 text-body text-ink-2">{description}</Dialog.Description>
              )}
            </div>
            {!sticky && <Dialog.Close render={<IconButton label="Close">{<X aria-hidden="true" />}</IconButton>} />}
          </header>
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

interface ModalFormProps {
  /** What the button says. */
  verb: string;
  busy: boolean;
  error: unknown;
  /** Why it cannot be sent as it is. */
  blocked?: boolean;
  onSubmit: () => void;
  onCancel: () => void;
  children: ReactNode;
}

/** A form in a window: fields that scroll, and its buttons below them. */
export function ModalForm({ verb, busy, error, blocked = false, onSubmit, onCancel, children }: ModalFormProps) {
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!blocked && !busy) onSubmit();
  };
  return (
    <form onSubmit={submit} className="flex min-h-0 flex-1 flex-col" noValidate>
      <div className="flex min-h-0 flex-1 flex-col gap-5 overflow-y-auto px-6 py-2">
        {children}
        {error !== null && error !== undefined && <FailureCard facts={factsOf(error)} />}
      </div>
      <footer className="flex shrink-0 justify-end gap-2 px-6 pt-4 pb-5">
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" look="primary" disabled={busy || blocked}>
          {busy ? "One moment…" : verb}
        </Button>
      </footer>
    </form>
  );
}

interface ConfirmProps {
  open: boolean;
  title: string;
  children: ReactNode;
  verb: string;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ open, title, children, verb, busy, error, onConfirm, onClose }: ConfirmProps) {
  return (
    <AlertDialog.Root open={open} onOpenChange={(opened) => !opened && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={BACKDROP} />
        <AlertDialog.Popup className={`${POPUP} p-6 sm:w-[27rem]`}>
          <AlertDialog.Title className="text-title font-semibold tracking-[-0.012em]">{title}</AlertDialog.Title>
          <AlertDialog.Description render={<div />} className="mt-1.5 text-body text-ink-2">
            {children}
          </AlertDialog.Description>
          {error !== null && error !== undefined && (
            <div className="mt-4">
              <FailureCard facts={factsOf(error)} />
            </div>
          )}
          <div className="mt-5 flex justify-end gap-2">
            <AlertDialog.Close render={<Button>Cancel</Button>} />
            <Button look="danger" disabled={busy} onClick={onConfirm}>
              {busy ? "One moment…" : verb}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
