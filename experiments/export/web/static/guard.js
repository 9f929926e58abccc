// Refuse every request that leaves the app's own origin, whatever a library of it tries. A classic
// script: it runs first in the page and in the worker. (The policy of a page does not hold in a
// worker, which has that of its own file.)
(() => {
  "use strict";
  const UNUSED = ["WebSocket", "EventSource", "WebTransport", "RTCPeerConnection", "webkitRTCPeerConnection"];

  function requireOwn(address) {
    const url = new URL(address, self.location.href);
    const isLocal = url.protocol === "blob:" || url.protocol === "data:";
    const isOwn = url.origin !== "null" && url.origin === self.location.origin;
    if (!isLocal && !isOwn) throw new TypeError("This app sends no requests to other places.");
  }

  const { fetch } = self;
  self.fetch = async (request, options) => {
    requireOwn(request instanceof Request ? request.url : String(request));
    return fetch.call(self, request, options);
  };
  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, address, ...others) {
    requireOwn(String(address));
    return open.apply(this, /** @type {any} */ ([method, address, ...others]));
  };
  if (self.navigator.sendBeacon) self.navigator.sendBeacon = () => false;
  for (const name of UNUSED) if (name in self) self[name] = undefined;
  self.isGuarded = true;
})();
