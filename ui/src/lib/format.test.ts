import { describe, expect, it } from "vitest";
import { formatBytes, formatCompact, formatDuration, formatUptime, formatWindow } from "./format";

describe("format", () => {
  it("names token windows as people do", () => {
    expect([512, 4_096, 8_192, 128_000, 131_072, 200_000, 1_000_000, 1_048_576, 2_097_152].map(formatWindow)).toEqual([
      "512",
      "4K",
      "8K",
      "128K",
      "128K",
      "200K",
      "1M",
      "1M",
      "2M",
    ]);
  });

  it("keeps small counts exact and shortens large ones", () => {
    expect([0, 9_999, 10_000, 1_234_567].map(formatCompact)).toEqual(["0", "9,999", "10K", "1.2M"]);
  });

  it("gives durations three figures at most", () => {
    expect([4.4, 999, 1_240, 12_400].map(formatDuration)).toEqual(["4 ms", "999 ms", "1.24 s", "12.4 s"]);
  });

  it("gives an uptime in its two largest units", () => {
    expect([5, 720, 11_100, 187_200].map(formatUptime)).toEqual(["5 s", "12 min", "3 h 05 min", "2 d 4 h"]);
  });

  it("parts bytes into figure and unit", () => {
    expect([0, 950, 84_200_000, 512_000_000, 2_400_000_000].map(formatBytes)).toEqual([
      ["0", "B"],
      ["950", "B"],
      ["84.2", "MB"],
      ["512", "MB"],
      ["2.4", "GB"],
    ]);
  });
});
