/** Browser storage that may be full, switched off or absent: then nothing is kept, and nothing fails. */
export class BrowserStorage {
  constructor(private readonly open: () => Storage) {}

  read(key: string): string | null {
    try {
      return this.open().getItem(key);
    } catch {
      return null;
    }
  }

  write(key: string, value: string | null): void {
    try {
      if (value === null) this.open().removeItem(key);
      else this.open().setItem(key, value);
    } catch {
      // Private windows and full disks: the page goes on without keeping the value.
    }
  }
}

export const sessionStore = new BrowserStorage(() => window.sessionStorage);
export const localStore = new BrowserStorage(() => window.localStorage);
