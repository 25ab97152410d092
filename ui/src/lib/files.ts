/** Has the browser keep a file. */
export function saveFile(file: File): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = file.name;
  link.click();
  // The click has started the download; the address is needed until the browser has read it.
  window.setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
