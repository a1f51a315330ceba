// Shows the endpoints whose method, path and summary have all words of the box, and the sections that have one.
const box = document.getElementById('filter');
const found = document.getElementById('found');
const articles = [...document.querySelectorAll('article')];
const sections = [...document.querySelectorAll('main > section')];

box.addEventListener('input', () => {
  const words = box.value.toLowerCase().trim().split(/\s+/);
  for (const article of articles) article.hidden = !words.every((word) => article.dataset.search.includes(word));
  for (const section of sections)
    section.hidden = box.value.trim() !== '' && !section.querySelector('article:not([hidden])');
  found.textContent = `${articles.filter(({ hidden }) => !hidden).length} of ${articles.length} endpoints`;
});
