const at = id => document.getElementById(id), play = at("play"), lost = "`dgsm show` has ended: no news.";
let frame = {};
const source = new EventSource("frames");
source.onmessage = event => {
  frame = JSON.parse(event.data);
  if (frame.html) at("view").innerHTML = frame.html;
  const scene = frame.scene ? `${frame.scene} of ${frame.scenes} · ` : "";
  if (frame.sentence) at("sentence").textContent = scene + frame.sentence;
  at("note").textContent = frame.note;
  document.body.dataset.scene = frame.scene;
  if (play) {
    const runs = frame.scene && !frame.paused;
    play.textContent = runs ? "❚❚ pause the story" : frame.scene ? "▶ go on" : "▶ tell the story";
    play.dataset.press = runs ? "pause" : "play";
  }
};
source.onerror = () => { at("note").textContent = lost; };
document.querySelectorAll("button").forEach(button => {
  button.onclick = () => fetch("press/" + button.dataset.press, {method: "POST"});
});
