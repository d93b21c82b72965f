// The terminal measures its font when it is made, so that must be there first. It takes the keys once it is connected.
addEventListener("load", async () => {
  await document.fonts.load('15px "Roboto Mono"').catch(() => {});
  const script = document.createElement("script");
  script.src = "static/js/textual.js";
  script.onload = () => {
    window.onload();
    const focus = () => document.querySelector(".xterm-helper-textarea").focus();
    document.body.addEventListener("click", focus);
    new MutationObserver((_, observer) => {
      if (document.body.classList.contains("-loaded")) {
        observer.disconnect();
        focus();
      }
    }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  };
  document.body.append(script);
});
document.querySelector("#ended button").addEventListener("click", () => location.reload());
