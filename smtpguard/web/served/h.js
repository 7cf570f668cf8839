// Moves the code of the link into the field, and out of the address bar. It sends nothing.
"use strict";
(function () {
  function take() {
    var field = document.getElementById("code");
    if (field && location.hash.length > 1) {
      field.value = location.hash.slice(1);
      history.replaceState(null, "", location.pathname);
    }
  }
  take();
  // The link of another notice, opened in the same tab, changes the fragment only.
  addEventListener("hashchange", take);
}());
