// The key goes from the browser straight to the gateway, which answers with a cookie that no script can read. The page
// is then loaded anew: this server reads the cookie where the connection is made.

async function signIn(gateway, key) {
  let answer;
  try {
    answer = await fetch(`${gateway}/session`, {
      method: "POST",
      credentials: "include",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key }),
    });
  } catch {
    return "The gateway cannot be reached. Try again in a moment.";
  }
  if (answer.ok) return "";
  try {
    return (await answer.json()).detail;
  } catch {
    return `The gateway answered ${answer.status}.`;
  }
}

export default function ({ parentElement, data }) {
  const form = parentElement.querySelector("form");
  const [input, button, error] = ["input", "button", ".error"].map((part) => form.querySelector(part));
  form.onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = "";
    const refusal = await signIn(data.gateway, input.value);
    if (!refusal) return location.reload();
    button.disabled = false;
    error.textContent = refusal;
    input.setAttribute("aria-invalid", "true");
    input.select();
  };
}
