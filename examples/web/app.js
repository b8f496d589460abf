// The page: files and the microphone in, a moving mel-spectrogram and moving tags out.

import { similarity } from "./sleeve/index.js";
import { SleeveWorker } from "./sleeve/client.js";
import { Picture } from "./picture.js";
import { Recording, analyse, decode } from "./recording.js";
import { TagTable, largest } from "./tags.js";

const $ = (id) => document.getElementById(id);
const player = $("player");
const picture = new Picture($("picture").firstElementChild);
const tags = new TagTable($("tags"), [""]);
const compared = new TagTable($("compared"), [", first", ", second"]);
const SHOWN = 10;

let worker, extractor;
/** The songs, and of each how often one was chosen, so that an older choice gives way. */
const songs = [null, null];
const choices = [0, 0];
/** What is shown: the number of a song, or the microphone. */
let shown = 0;
let live = null;

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

function clock(seconds) {
  const whole = Math.floor(seconds || 0);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

async function newRecording(name, layout) {
  const mel = await worker.melStream(layout);
  const recording = new Recording(name, extractor, mel);
  await mel.free();
  return recording;
}

async function open(number, file) {
  stopMicrophone();
  const choice = ++choices[number];
  const isCurrent = () => choices[number] === choice;
  say(`Decoding ${file.name} …`);
  try {
    const audio = await decode(worker, file);
    if (!isCurrent()) return;
    const song = await newRecording(file.name, audio);
    song.seconds = audio.samples.length / audio.channels / audio.sampleRate;
    song.url = URL.createObjectURL(file);
    if (songs[number]) URL.revokeObjectURL(songs[number].url);
    songs[number] = song;
    song.isDone = false;
    show(number);
    const began = performance.now();
    await analyse(worker, song, audio, (part) => say(`Listening to ${file.name}: ${Math.round(100 * part)} %`), isCurrent);
    if (!isCurrent()) return;
    song.isDone = true;
    if (song.tags.length === 0) return say(`${file.name} is shorter than three seconds: too short for tags.`, true);
    const took = (performance.now() - began) / 1000;
    say(`${file.name}: ${clock(song.seconds)} heard in ${took.toFixed(1)} seconds.`);
    if (shown === number) tags.choose(song.classes, largest(song.mean(), SHOWN));
    compare();
  } catch (error) {
    if (isCurrent()) say(`${file.name}: ${error.message.replace(`<${file.name}>: `, "")}`, true);
  }
}

/** Shows a song, and puts it into the player. */
function show(number) {
  shown = number;
  const song = songs[number];
  player.src = song.url;
  $("listening").hidden = false;
  $("listening-title").textContent = song.name;
  $("play").hidden = false;
  $("which").hidden = !(songs[0] && songs[1]);
  $("which").querySelectorAll("input")[number].checked = true;
  $("picture").setAttribute("aria-valuemax", song.seconds.toFixed(1));
  if (song.tags.length > 0) tags.choose(song.classes, largest(song.mean(), SHOWN));
}

function compare() {
  const [one, other] = songs;
  $("comparison").hidden = !(one?.isDone && other?.isDone && one.tags.length && other.tags.length);
  if ($("comparison").hidden) return;
  const alike = similarity(one.mean(one.embeddings), other.mean(other.embeddings));
  const cosine = alike.toFixed(2);
  $("alike").textContent = `${one.name} and ${other.name}: their embeddings have a cosine of ${cosine} (1 is the same sound).`;
  const [first, second] = [one.mean(), other.mean()];
  compared.choose(one.classes, largest(first.map((value, index) => Math.max(value, second[index])), SHOWN));
  compared.show(first, second);
}

async function startMicrophone() {
  try {
    player.pause();
    const media = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
    const context = new AudioContext();
    await context.audioWorklet.addModule("microphone.js");
    const layout = { sampleRate: context.sampleRate, channels: 1 };
    const recording = await newRecording("Microphone", layout);
    const [rows, mel] = [await extractor.stream(layout), await worker.melStream(layout)];
    const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
    const session = { media, context, recording, rows, mel, heard: 0 };
    // Pieces are answered in their order, by one worker.
    node.port.onmessage = async ({ data: samples }) => {
      if (live !== session) return;
      session.heard += samples.length / layout.sampleRate;
      try {
        recording.addMel(await mel.push(samples));
        const before = recording.tags.length;
        recording.addRows(await rows.push(samples));
        recording.seconds = session.heard;
        if (recording.tags.length > before) tags.choose(recording.classes, largest(recording.mean(recording.tags.slice(-4)), SHOWN));
      } catch (error) {
        if (live !== session) return;
        stopMicrophone();
        say(error.message, true);
      }
    };
    context.createMediaStreamSource(media).connect(node);
    live = session;
    $("microphone").textContent = "Stop the microphone";
    $("microphone").setAttribute("aria-pressed", "true");
    $("listening").hidden = false;
    $("listening-title").textContent = "Microphone";
    $("play").hidden = $("which").hidden = true;
    tags.choose([], []);
    say("Listening. The first tags come after three seconds.");
  } catch (error) {
    say(`No microphone: ${error.message}`, true);
  }
}

function stopMicrophone() {
  if (!live) return;
  const { media, context, rows, mel } = live;
  live = null;
  media.getTracks().forEach((track) => track.stop());
  context.close();
  rows.free();
  mel.free();
  $("microphone").textContent = "Use the microphone";
  $("microphone").setAttribute("aria-pressed", "false");
  say("The microphone is off.");
  if (songs[shown]) show(shown);
}

function frame() {
  const recording = live?.recording ?? songs[shown];
  if (recording) {
    const now = live ? recording.frames * recording.frameSeconds : player.currentTime;
    picture.draw(recording, now, live ? 1 : 0.5);
    const values = live ? recording.tags.at(-1) : recording.tagsAt(now);
    if (values && tags.rows.length === 0) tags.choose(recording.classes, largest(values, SHOWN));
    if (values) tags.show(values);
    const time = live ? clock(live.heard) : `${clock(now)} of ${clock(recording.seconds)}`;
    if ($("time").textContent !== time) {
      $("time").textContent = time;
      $("picture").setAttribute("aria-valuenow", now.toFixed(1));
      $("picture").setAttribute("aria-valuetext", time);
    }
  }
  requestAnimationFrame(frame);
}

function seek(seconds) {
  const song = songs[shown];
  if (song && !live) player.currentTime = Math.min(Math.max(seconds, 0), song.seconds);
}

function toggle() {
  if (live || !songs[shown]) return;
  if (player.paused) player.play().catch((error) => say(`This browser cannot play it: ${error.message}`, true));
  else player.pause();
}

player.onplay = player.onpause = player.onended = () => { $("play").textContent = player.paused ? "Play" : "Pause"; };
$("play").onclick = toggle;
$("microphone").onclick = () => (live ? stopMicrophone() : startMicrophone());
[0, 1].forEach((number) => {
  $(`file-${number + 1}`).onchange = ({ target }) => target.files[0] && open(number, target.files[0]);
});
$("which").onchange = ({ target }) => show(Number(target.value));
$("picture").onclick = ({ clientX, currentTarget }) => {
  const { left, width } = currentTarget.getBoundingClientRect();
  seek(player.currentTime + Picture.offset((clientX - left) / width, 0.5));
};
$("picture").onkeydown = (event) => {
  const song = songs[shown];
  const to = {
    ArrowLeft: player.currentTime - 5, ArrowDown: player.currentTime - 5,
    ArrowRight: player.currentTime + 5, ArrowUp: player.currentTime + 5, Home: 0, End: song?.seconds,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  seek(to);
};
document.onkeydown = (event) => {
  // Where Space has a meaning already, it keeps it.
  if (event.key !== " " || event.target.closest("button, input, a, summary")) return;
  event.preventDefault();
  toggle();
};
document.ondragover = (event) => { event.preventDefault(); document.body.classList.add("dropping"); };
document.ondragleave = (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); };
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const files = [...event.dataTransfer.files].slice(0, 2);
  if (!worker || files.length === 0) return;
  // One song takes the first free place; two take both.
  if (files.length === 1) open(songs[0] && !songs[1] ? 1 : 0, files[0]);
  else files.forEach((file, number) => open(number, file));
};

try {
  worker = await SleeveWorker.create();
  extractor = await worker.extractor();
  $("version").textContent = worker.version;
  ["file-1", "file-2", "microphone"].forEach((id) => { $(id).disabled = false; });
  say("Ready.");
  // For tests: what has been heard.
  globalThis.sleevePage = { songs, extractor, vectors: worker.vectors, live: () => live };
  document.documentElement.dataset.ready = "true";
} catch (error) {
  say(`The network could not be loaded: ${error.message}`, true);
}
frame();
