// The same in every language: what it needs is in the page's attributes.
(() => {
  const time = document.querySelector('time'), returns = document.querySelector('[data-returns]');
  const end = time ? Date.parse(time.dateTime) : NaN;
  const MIN = 6e4, KEY = 'maintenance-mode';
  const random = (low, high) => low + Math.random() * (high - low);
  let due, wait, timer;

  // The end in the reader's own zone and, where it is the page's, in the reader's own variety of the language, with the page's digits.
  if (time) try {
    const base = tag => tag.split('-')[0], page = document.documentElement.lang || navigator.language;
    const reader = navigator.languages.find(tag => base(tag) == base(page)) || page;
    const year = date => new Date(date).getFullYear();
    time.textContent = new Intl.DateTimeFormat(reader, {
      weekday: 'long', day: 'numeric', month: 'long', year: year(end) == year(Date.now()) ? undefined : 'numeric',
      hour: 'numeric', minute: '2-digit', timeZoneName: 'short', numberingSystem: 'latn'
    }).format(end);
  } catch {}

  // Kept across the reload: a service worker that answers for the site must not make it reload again at once.
  const keep = () => { try { sessionStorage.setItem(KEY, due + ' ' + wait); } catch {} };
  try { [due, wait] = sessionStorage.getItem(KEY).split(' ').map(Number); } catch {}
  if (!(wait > 0 && Math.abs(due - Date.now()) < 8 * MIN)) {
    due = Date.now() + random(MIN / 3, MIN * 2 / 3);
    wait = MIN / 2;
    keep();
  }

  const plan = () => {
    const left = end - Date.now();
    if (left > 0) {
      due = Date.now() + Math.min(left, 5 * MIN) + random(MIN / 4, MIN * 3 / 4);
    } else {
      due = Date.now() + wait * random(.5, 1.5);
      wait = Math.min(wait * 1.5, 5 * MIN);
    }
    keep();
  };

  const look = () => {
    clearTimeout(timer);
    if (document.hidden) return;
    if (Date.now() >= due) {
      plan();
      fetch(location.href, {method: 'HEAD', cache: 'no-store', redirect: 'manual'}).then(answer => {
        const ours = answer.headers.has('maintenance-mode');
        // Back: a redirect that is not followed has the status 0. Or the end has passed, by the server's clock: the page now says
        // that it takes longer, or has a new end.
        if (ours ? Date.parse(answer.headers.get('date')) >= end : answer.status < 500) location.reload();
      }, () => {});
    }
    timer = setTimeout(look, due - Date.now());
  };

  document.addEventListener('visibilitychange', look);
  addEventListener('pageshow', event => event.persisted && look());
  if (returns) returns.hidden = false;
  look();
})();
