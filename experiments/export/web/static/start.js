// Start the app: find its files, then import its first module.
(async () => {
  "use strict";
  const parts = await self.Parts.ofDocument();
  const { startApp } = await import(parts.locate("app.js"));
  startApp(parts);
})();
