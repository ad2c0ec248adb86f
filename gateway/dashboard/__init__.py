"""Three pages for people, in Chinese and English, server-rendered."""
