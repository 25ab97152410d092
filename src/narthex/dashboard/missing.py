"""What stands in the dashboard's place while it has not been built."""

from __future__ import annotations

MISSING_PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Narthex</title>
<main>
<h1>Narthex is running</h1>
<p>Its dashboard has not been built in this checkout. One command builds it and starts the server:</p>
<pre><code>make serve</code></pre>
<p>Or, with Node.js at hand, in <code>ui/</code>:</p>
<pre><code>npm ci &amp;&amp; npm run build</code></pre>
<p>Then load this page again; the server need not be restarted. The API works without it:
<a href="/docs">API reference</a>, <a href="/v1/models">models</a>, <a href="/health">health</a>.</p>
</main>
</html>
"""
