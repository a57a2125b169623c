// A picture and a sound that tell the time, as cluster/demo/publisher.py draws and plays them: what measures a
// recording of people measures a recording of a page with the same code. A test holds the constants together.
//
//   const clock = new PageClock({hue: 120, tone: 440});   fills the window; sound from the start
//   clock.hue = 300                                       from the next frame on
//   await clock.report({what: "seen"})                    POST /report?run=…, with the page's moment
'use strict';
const STRIP = [0.0, 0.0, 1.0, 16 / 360];
const HUE = [0.02, 0.08, 0.98, 0.24];
const CLOCK = [0.10, 0.27, 0.90, 0.47];
const MOTION = [0.0, 0.5, 0.5, 1.0];
const FLASH = [0.5, 0.5, 1.0, 1.0];
const STRIP_BLOCKS = 40;
const FLASH_SECONDS = 0.1;
const BEEP_SECONDS = 0.1;
const TONE_AMPLITUDE = 0.08;
const BEEP_AMPLITUDE = 0.6;
const BEEP_PER_TONE = 3;
const GREY = 'rgb(51, 51, 51)'; // luma 60 of the studio range
const AHEAD_SECONDS = 2;

const given = new URLSearchParams(location.search);
const run = given.get('run') || '';

// One clock for the picture and the sound: the wall clock may be set while we draw.
function wall(at = performance.now()) {
  return performance.timeOrigin + at;
}

function stripBits(milliseconds) {
  const value = milliseconds % 2 ** 32;
  const body = [];
  let check = 0;
  for (let bit = 31; bit >= 0; bit--) body.push(Math.floor(value / 2 ** bit) % 2);
  for (let place = 0; place < 32; place += 4) check ^= parseInt(body.slice(place, place + 4).join(''), 2);
  const told = [8, 4, 2, 1].map((weight) => (check & weight ? 1 : 0));
  return [1, 0, ...body, ...told, 0, 1];
}

// The colour that publisher.hue_yuv means: saturation 0.9, value 0.8.
function hueColour(hue) {
  const channel = (n) => {
    const k = (n + hue / 60) % 6;
    return Math.round(255 * 0.8 * (1 - 0.9 * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return `rgb(${channel(5)}, ${channel(3)}, ${channel(1)})`;
}

async function report(told) {
  const body = JSON.stringify({...told, wall: wall()});
  await fetch(`/report?run=${encodeURIComponent(run)}`, {method: 'POST', body, keepalive: true});
}

class PageClock {
  constructor({hue = 120, tone = 440, sound = true} = {}) {
    this.hue = hue;
    this.text = '';
    this.frames = 0;
    this.ended = false;
    this.canvas = document.createElement('canvas');
    this.canvas.width = innerWidth;
    this.canvas.height = innerHeight;
    this.canvas.style.cssText = 'position:fixed;left:0;top:0;display:block';
    document.body.append(this.canvas);
    this.context = this.canvas.getContext('2d', {alpha: false});
    this.fill([0, 0, 1, 1], GREY);
    requestAnimationFrame((at) => this.frame(at));
    if (sound) this.play(tone);
  }

  report(told) {
    return report({...told, frames: this.frames, hue: this.hue});
  }

  fill([left, top, right, bottom], colour) {
    const even = (value, size) => Math.round(value * size / 2) * 2;
    const {width, height} = this.canvas;
    const x = even(left, width), y = even(top, height);
    this.context.fillStyle = colour;
    this.context.fillRect(x, y, even(right, width) - x, even(bottom, height) - y);
  }

  frame(at) {
    requestAnimationFrame((next) => this.frame(next));
    this.frames += 1;
    if (this.ended) return;
    const now = wall(at), {width} = this.canvas;
    this.fill(STRIP, '#000');
    stripBits(Math.round(now)).forEach((bit, block) => {
      if (bit) this.fill([block / STRIP_BLOCKS, STRIP[1], (block + 1) / STRIP_BLOCKS, STRIP[3]], '#fff');
    });
    this.fill(HUE, hueColour(this.hue));
    this.fill(CLOCK, '#000');
    this.context.fillStyle = '#fff';
    this.context.font = `${Math.round(width / 16)}px monospace`;
    this.context.textAlign = 'center';
    this.context.textBaseline = 'middle';
    const clock = new Date(now).toISOString().slice(11, 23);
    this.context.fillText(clock, width / 2, this.canvas.height * (CLOCK[1] + CLOCK[3]) / 2);
    this.fill(FLASH, now % 1000 < FLASH_SECONDS * 1000 - 1 ? '#fff' : GREY);
    this.fill(MOTION, GREY);
    const bar = (now / 1000 / 2 % 1) * 0.45;
    this.fill([bar, MOTION[1], bar + 0.05, MOTION[3]], 'rgb(208, 208, 208)');
  }

  // Nothing of the clock is drawn any more, only this colour.
  end(colour) {
    this.ended = true;
    this.fill([0, 0, 1, 1], colour);
  }

  play(tone) {
    const audio = this.audio = new AudioContext({sampleRate: 48000, latencyHint: 'interactive'});
    const steady = new GainNode(audio, {gain: TONE_AMPLITUDE});
    const beep = new GainNode(audio, {gain: 0});
    const start = (frequency, gain) => {
      const oscillator = new OscillatorNode(audio, {frequency});
      oscillator.connect(gain).connect(audio.destination);
      oscillator.start();
    };
    start(tone, steady);
    start(tone * BEEP_PER_TONE, beep);
    let next = 0;
    const plan = () => {
      // which sample is heard at which moment: the sound's way to the loudspeaker is in it
      const {contextTime, performanceTime} = audio.getOutputTimestamp();
      if (!performanceTime) return;
      const toContext = (wallMs) => contextTime + (wallMs - wall(performanceTime)) / 1000;
      const now = wall();
      next = Math.max(next, Math.ceil(now / 1000 + 0.2) * 1000);
      for (; next < now + AHEAD_SECONDS * 1000; next += 1000) {
        const begin = toContext(next);
        if (begin <= audio.currentTime) continue;
        beep.gain.setValueAtTime(BEEP_AMPLITUDE, begin);
        beep.gain.setValueAtTime(0, begin + BEEP_SECONDS);
      }
    };
    setInterval(plan, 250);
  }
}
