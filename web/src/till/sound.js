// Two sounds told apart without looking: good rises, bad is low and twice. Browsers
// let a page make sounds only after the first touch or key.
let context;

export function sounds(settings) {
  const wake = () => {
    context ??= globalThis.AudioContext && new AudioContext();
    context?.resume?.();
  };
  for (const event of ["pointerdown", "keydown"]) document.addEventListener(event, wake, { once: true, capture: true });
  const play = (notes) => {
    if (!settings.sound || !context || context.state !== "running") return;
    let start = context.currentTime + 0.01;
    for (const [hertz, seconds, shape] of notes) {
      const tone = new OscillatorNode(context, { type: shape, frequency: hertz });
      const volume = new GainNode(context, { gain: 0.0001 });
      tone.connect(volume).connect(context.destination);
      volume.gain.exponentialRampToValueAtTime(0.25, start + 0.01);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + seconds);
      tone.start(start);
      tone.stop(start + seconds);
      start += seconds;
    }
  };
  const shake = (pattern) => settings.sound && navigator.userActivation?.hasBeenActive && navigator.vibrate?.(pattern);
  return {
    good: () => { play([[880, 0.09, "sine"], [1320, 0.16, "sine"]]); shake(40); },
    bad: () => { play([[220, 0.18, "square"], [196, 0.26, "square"]]); shake([120, 80, 120]); },
  };
}
