// A link /login#token=… signs in by itself. The fragment never reaches a server or a log, and leaves the address at once.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("login");
  form.elements.token.value = token;
  form.requestSubmit();
}
