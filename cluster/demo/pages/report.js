// What a page tells the server: for pages without a clock.
'use strict';
const run = new URLSearchParams(location.search).get('run') || '';
async function report(told) {
  const body = JSON.stringify({...told, wall: performance.timeOrigin + performance.now()});
  await fetch(`/report?run=${encodeURIComponent(run)}`, {method: 'POST', body, keepalive: true});
}
