import { Dialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { IconButton } from "./button";

interface SheetProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: string;
  children: ReactNode;
}

/** A sheet that comes in from the right; on a phone, up from below. */
export default function Sheet({ open, onOpenChange, title, description, children }: SheetProps) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fade-in fixed inset-0 z-30 bg-veil" />
        <Dialog.Popup className="fixed z-40 flex flex-col border-line bg-raised shadow-3 transition-transform duration-300 ease-[var(--ease-out)] max-sm:inset-x-0 max-sm:bottom-0 max-sm:max-h-[88dvh] max-sm:rounded-t-xl max-sm:border-t max-sm:data-[ending-style]:translate-y-full max-sm:data-[starting-style]:translate-y-full sm:inset-y-0 sm:right-0 sm:w-[min(36rem,92vw)] sm:border-l sm:data-[ending-style]:translate-x-full sm:data-[starting-style]:translate-x-full">
          <header className="flex shrink-0 items-start justify-between gap-4 pt-5 pr-4 pb-3 pl-6">
            <div>
              <Dialog.Title className="text-title font-semibold tracking-[-0.012em]">{title}</Dialog.Title>
              {description && (
                <Dialog.Description className="mt-0.5 text-body text-ink-3">{description}</Dialog.Description>
              )}
            </div>
            <Dialog.Close render={<IconButton label="Close">{<X aria-hidden="true" />}</IconButton>} />
          </header>
          <div className="min-h-0 flex-1 overflow-y-auto px-6 pb-6">{children}</div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
