"""Blocks that mails of an association have in common: greetings, invitations, disclaimers, footers. All made up."""

from __future__ import annotations

BLOCKS: tuple[str, ...] = (
    """Hi everyone,

I hope this email finds you well. Thank you so much for getting back to me, and please let me know if you have any
questions or if there is anything else I can do for you.""",
    """Thanks for your quick reply and sorry for the late answer. I am looking forward to hearing from you soon, and I
wish you all a very nice weekend.""",
    """If you have any further questions, please do not hesitate to contact us. We look forward to seeing you there.""",
    """This e-mail and any attachments may contain confidential and/or privileged information. If you are not the
intended recipient (or have received this e-mail in error) please notify the sender immediately and delete this
e-mail. Any unauthorised copying, disclosure or distribution of the material in this e-mail is strictly forbidden.""",
    """The information contained in this communication is intended solely for the use of the individual or entity to
whom it is addressed and others authorized to receive it. It may contain confidential or legally privileged
information. If you are not the intended recipient you are hereby notified that any disclosure, copying, distribution
or taking any action in reliance on the contents of this information is strictly prohibited and may be unlawful.""",
    """Please consider the environment before printing this e-mail. Any views or opinions expressed in this message
are solely those of the author and do not necessarily represent those of the company.""",
    """Anna Example is inviting you to a scheduled Zoom meeting.

Topic: Weekly round
Join Zoom Meeting
https://zoom.example/j/123456789

Meeting ID: 123 456 789
Passcode: 998877
One tap mobile
+4930123456,,123456789# Germany
Dial by your location
Find your local number: https://zoom.example/u/abc""",
    """________________________________________________________________________________
Microsoft Teams meeting
Join on your computer, mobile app or room device
Click here to join the meeting
Or call in (audio only)
+49 30 123456,,123456789#   Germany, Berlin
Phone Conference ID: 123 456 789#
Find a local number | Reset PIN
Learn More | Meeting options""",
    """Click the following link to join the meeting: https://jitsi.example/weekly-round
If you want to join by phone instead, please dial the number below and enter the pin of the meeting.""",
    """You received this message because you are subscribed to the group "weekly-round". To unsubscribe from this group
and stop receiving emails from it, send an email to leave@example.org. To view this discussion on the web visit
https://groups.example/d/abc""",
    """To unsubscribe from this list send a mail with the subject unsubscribe to talk-request@example.org. You can find
more information about this list at https://lists.example.org/talk""",
    """Sent from my phone. Please excuse brevity and any typos.""",
    """I will be out of the office until Monday with limited access to email. In urgent cases please contact my
colleagues; I will answer your message when I am back.""",
    """Merry Christmas and a happy new year to all of you and your families! Best wishes, Anna""",
)
