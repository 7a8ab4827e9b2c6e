import { credential, onUnauthorized } from './api.js';
import { byId, say } from './dom.js';

/**
 * The dialog that asks for a key when the service wants one, and the button that asks again or forgets it. Who goes
 * without is not asked a second time; `onChange` is to load everything anew.
 */
export function bindSignIn(onChange: () => void): void {
  const dialog = byId<HTMLDialogElement>('sign-in');
  const field = byId<HTMLInputElement>('credential');
  const button = byId<HTMLButtonElement>('key');
  let isDeclined = false;
  const show = () => {
    button.hidden = credential.get() === null && !isDeclined;
    // A link brings no credential along: the service would answer it by 401.
    byId('api').hidden = !button.hidden;
    button.textContent = credential.get() === null ? 'Enter key' : 'Forget key';
  };
  const ask = async (refused: string | undefined) => {
    say(byId('sign-in-refusal'), refused);
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    const given = field.value.trim();
    field.value = '';
    const isGiven = dialog.returnValue === 'ok' && given !== '';
    if (isGiven) credential.set(given);
    else credential.forget();
    isDeclined = !isGiven;
    show();
    return isGiven;
  };
  onUnauthorized(async (refused) => !isDeclined && ask(refused));
  button.addEventListener('click', async () => {
    if (credential.get() === null) {
      if (await ask(undefined)) onChange();
      return;
    }
    credential.forget();
    onChange();
  });
  show();
}
