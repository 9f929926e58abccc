// Start the app: find its files, then import its first module.
(async () => {
  "use strict";
  const FAILED = "The app could not start: this browser loads no modules here. Open it from a server, " +
    "as README.txt describes, in a current browser.";
  try {
    const parts = await self.Parts.ofDocument();
    const { startApp } = await import(parts.locate("app.js"));
    await startApp(parts);
  } catch (error) {
    document.getElementById("uv-start-up").textContent = FAILED;
    throw error;
  }
})();
